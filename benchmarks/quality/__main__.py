"""Rebuild every figure of quality: ``make bench-quality``, or some beds by ``python -m benchmarks.quality BED …``.

Networks are trained once for all beds that learn from the same classes, and so is every baseline tuned. Finished parts
are kept in ``benchmarks/.work/quality``; delete that folder to measure anew after the code has changed.
"""

from __future__ import annotations

import json
import logging
import sys

from benchmarks.quality.beds import BEDS
from benchmarks.quality.measure import WORK, measure
from benchmarks.quality.page import write_page
from benchmarks.record import write_results
from hilander.atomic_write import atomic_file


def main(names: list[str]) -> None:
    """Measure the named beds, all by default, and write down all that were ever measured."""
    unknown = [name for name in names if name not in BEDS]
    if unknown:
        raise SystemExit(f"unknown beds {', '.join(unknown)}; known: {', '.join(BEDS)}")
    for name in names or BEDS:
        rows = measure(BEDS[name])
        with atomic_file(WORK / "beds" / f"{name}.json") as path:
            path.write_text(json.dumps(rows), encoding="utf-8")
        measured = {
            bed: json.loads(file.read_text(encoding="utf-8"))
            for bed in BEDS
            if (file := WORK / "beds" / f"{bed}.json").exists()
        }
        record = write_results(
            "quality",
            {
                f"{bed}.{method}.{metric}": value
                for bed, rows in measured.items()
                for method, row in rows.items()
                for metric, value in row.items()
            },
        )
        write_page(measured, record)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:])
