"""The service over HTTP, measured part by part: ``make bench-serving``, or ``python -m benchmarks.serving PART…``.

``latency``: milliseconds and throughput of every size, overload, a long task beside the library; wants a quiet CPU.
``load``: a mixed load on two workers for ``--minutes``. ``kill``: the same for a few minutes, with a worker killed
half-way. ``fuzz``: ``--examples`` requests of schemathesis to each operation. ``end_to_end``: the labels of the stages
over HTTP, and the alarm that shifted traffic raises. Each part writes a file of figures of its own; the page
``benchmarks/serving.md`` shows the last ones of all parts, with their dates.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path

from benchmarks.record import RESULTS, ROOT, write_results
from benchmarks.serving.end_to_end import end_to_end
from benchmarks.serving.latency import measure_latency
from benchmarks.serving.load import kill_a_worker, mixed_load
from benchmarks.serving.page import PARTS, write_page
from benchmarks.serving.server import fuzz, serve_folder, tree_memory
from hilander.pipeline.package import package
from hilander.releases import release_in_service

Figures = dict[str, float]


def main() -> None:
    """Measure the parts that were asked for; write their figures and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them by default")
    parser.add_argument("--models", help="folder of releases; by default one is made of the last `dvc repro`")
    parser.add_argument("--minutes", type=float, default=30.0, help="of mixed load")
    parser.add_argument("--examples", type=int, default=500, help="of schemathesis for each operation")
    parser.add_argument("--quick", action="store_true", help="small sizes and short times, to see that all of it runs")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    for part in arguments.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            measured = end_to_end() if part == "end_to_end" else measure_part(part, Path(folder), arguments)
        figures = {name: value for name, value in measured.items() if not math.isnan(value)}
        if not arguments.quick:
            write_results(f"serving_{part}", figures)
        print(json.dumps(figures, indent=2), flush=True)
    if not arguments.quick:
        print(write_page(RESULTS, ROOT / "benchmarks" / "serving.md"))


def measure_part(part: str, folder: Path, arguments: argparse.Namespace) -> Figures:
    """Start the service as the part needs it, and measure."""
    quick, models = arguments.quick, Path(arguments.models or folder / "models").resolve()
    if arguments.models is None:
        package(ROOT, models)
    release = release_in_service(models)
    with serve_folder(folder, models, workers=2 if part in ("load", "kill") else 1) as url:
        if part == "latency":
            return measure_latency(url, release, quick=quick)
        if part == "load":
            return mixed_load(url, release, 20 if quick else 60 * arguments.minutes)
        if part == "kill":
            return kill_a_worker(url, release, folder / "captured", 40 if quick else 300)
        before = tree_memory(url)
        code = fuzz(url, 10 if quick else arguments.examples, "--max-response-time", "60", "--request-timeout", "60")
        growth = {"MiB before": before, "MiB after": tree_memory(url)}
        return {"examples of each operation": arguments.examples, "failures (0 is none)": code, **growth}


if __name__ == "__main__":
    main()
