"""Latency, throughput, overload and memory of the service over HTTP: ``make bench-serving``.

``python -m benchmarks.serving --models FOLDER`` measures the release in service there; ``--minutes 30`` adds that long
a mixed load, with hostile requests in it and a worker killed half-way; ``--fuzz 500`` so many requests of
schemathesis to each path; ``--quick`` leaves the large sizes out, to see that all of it runs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from benchmarks.record import ROOT, commit, machine, write_results
from benchmarks.serving.load import measure, mixed_load, overload, task
from benchmarks.serving.requests import WIDTH, latency_cases
from benchmarks.serving.server import fuzz, serve
from hilander.atomic_write import atomic_file
from hilander.releases import release_in_service

SECONDS = 10.0  # of each latency measurement


def main() -> None:
    """Measure, write ``benchmarks/serving.md`` and ``benchmarks/results/serving.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="models")
    parser.add_argument("--minutes", type=float, default=0.0, help="of mixed load on two workers")
    parser.add_argument("--fuzz", type=int, default=0, help="examples of schemathesis for each operation")
    parser.add_argument("--quick", action="store_true", help="small sizes, short measurements")
    arguments = parser.parse_args()
    models = Path(arguments.models).resolve()
    release = release_in_service(models)
    figures: dict[str, float] = {}

    def note(name: str, measured: dict[str, float]) -> None:
        print(name, measured, flush=True)
        figures.update({f"{name}: {key}": float(value) for key, value in measured.items()})

    with serve_release(models) as url:
        for name, request, clients in latency_cases(release, quick=arguments.quick):
            seconds = 1.0 if arguments.quick else SECONDS
            note(f"{name}, {clients} client(s)", measure(url, request, clients, seconds))
        note("overload", overload(url, quick=arguments.quick))
        rows = 5_000 if arguments.quick else 100_000
        note(f"task of {rows:,} × {WIDTH}", task(url, release, rows))
        if arguments.fuzz:
            note("schemathesis", {"failures": float(fuzz(url, arguments.fuzz, "--max-response-time", "60") != 0)})
    if arguments.minutes:
        with serve_release(models, workers=2) as url:
            note("load", mixed_load(url, release, 60 * arguments.minutes))
    write_results("serving", figures)
    report = [
        "# The service over HTTP",
        "",
        "Milliseconds at the client, on the machine that serves; the server is `bentoml serve` with one worker, under",
        "the load with two. A 429 says at once that the service is full. JSON of 10,000 × 256 is beyond its limit.",
        "",
        "| what | |",
        "|---|---|",
        *(f"| {name} | {value:,.4g} |" for name, value in figures.items()),
        "",
        f"Measured at commit {commit()} on {machine()}, by `make bench-serving`.",
        "",
    ]
    with atomic_file(ROOT / "benchmarks" / "serving.md") as path:
        path.write_text("\n".join(report), encoding="utf-8")
    print("\n".join(report))


@contextmanager
def serve_release(models: Path, workers: int = 1) -> Iterator[str]:
    """Run the service of a folder of releases, open to this machine; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        configuration = {
            "models": str(models),
            "tasks": {"folder": f"{folder}/tasks"},
            "security": {"open_on_loopback": True},
            "capture": {"url": f"{folder}/captured", "max_bytes": 200_000_000},
        }
        path = Path(folder) / "serving.yaml"
        path.write_text(yaml.safe_dump(configuration))
        with serve(path, HILANDER_WORKERS=str(workers), OMP_WAIT_POLICY="passive") as url:
            yield url


if __name__ == "__main__":
    main()
