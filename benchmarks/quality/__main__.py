"""Rebuild every figure of quality: ``make bench-quality``, or some beds by ``python -m benchmarks.quality BED …``.

Networks are trained once for all beds that learn from the same classes, and so is every baseline tuned. Finished parts
are kept in ``benchmarks/.work/quality``; delete that folder to measure anew after the code has changed. What earlier
runs have written down of beds that are not named stays, with the date, commit and machine of its own.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import defaultdict

from benchmarks.quality.beds import BEDS
from benchmarks.quality.measure import Figures, measure
from benchmarks.quality.page import write_page
from benchmarks.record import RESULTS, commit, machine, today, write_results


def main(names: list[str]) -> None:
    """Measure the named beds, all by default, and write down all that were ever measured."""
    unknown = [name for name in names if name not in BEDS]
    if unknown:
        raise SystemExit(f"unknown beds {', '.join(unknown)}; known: {', '.join(BEDS)}")
    measured, when = _earlier()
    for name in names or BEDS:
        measured[name] = measure(BEDS[name])
        when[name] = f"{today()} at {commit()} on {machine()}"
        figures = {
            f"{bed}.{method}.{metric}": value
            for bed in BEDS
            for method, row in measured.get(bed, {}).items()
            for metric, value in row.items()
        }
        record = write_results("quality", figures, beds=when)
        write_page({bed: measured[bed] for bed in BEDS if bed in measured}, record)


def _earlier() -> tuple[dict[str, dict[str, Figures]], dict[str, str]]:
    """Figures of each bed and method that are written down already, and when each bed's were measured."""
    path = RESULTS / "quality.json"
    if not path.exists():
        return {}, {}
    record = json.loads(path.read_text(encoding="utf-8"))
    measured: dict[str, dict[str, Figures]] = defaultdict(lambda: defaultdict(dict))
    for key, value in record["figures"].items():
        bed, method, metric = key.split(".")
        measured[bed][method][metric] = value
    return measured, record["beds"]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:])
