"""Rebuild every figure of quality: ``make bench-quality``, or some beds by ``python -m benchmarks.quality BED …``.

Networks are trained once for all beds that learn from the same classes, and so is every baseline tuned, in two
processes. Finished parts are kept in ``benchmarks/.work/quality``; delete that folder to measure anew after the code
has changed. What earlier runs have written down of beds that are not named stays, with the date, commit and machine of
its own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import defaultdict

from benchmarks.quality.beds import BEDS, Bed, items
from benchmarks.quality.measure import Figures, Key, rows_of
from benchmarks.quality.page import write_page
from benchmarks.quality.side_by_side import measured_side_by_side, parts_of
from benchmarks.record import RESULTS, commit, machine, today, write_results

logger = logging.getLogger(__name__)

_MOST_PROCESSES = 2  # of up to 12 GB each


def main(names: list[str]) -> None:
    """Measure the named beds, all by default, and write down all that were ever measured."""
    unknown = [name for name in names if name not in BEDS]
    if unknown:
        raise SystemExit(f"unknown beds {', '.join(unknown)}; known: {', '.join(BEDS)}")
    beds = [BEDS[name] for name in names or BEDS]
    started = time.perf_counter()
    for name in sorted({name for bed in beds for name in (bed.learned_on, bed.tuned_on, bed.tested_on)} - {"general"}):
        items(name)  # what is missing is told now, and encoders are trained with all threads
    logger.info("embeddings: %.0f s", time.perf_counter() - started)
    parts, found = parts_of(beds), dict[Key, Figures]()
    for figures in measured_side_by_side(parts, min(_MOST_PROCESSES, os.cpu_count() or 1)):
        found |= figures
    _write(beds, found)
    logger.info("all figures: %.0f s", time.perf_counter() - started)


def _write(beds: list[Bed], found: dict[Key, Figures]) -> None:
    measured, when = _earlier()
    for bed in beds:
        measured[bed.name] = rows_of(bed, found)
        when[bed.name] = f"{today()} at {commit()} on {machine()}"
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
