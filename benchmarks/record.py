"""Write a benchmark's figures down with the machine, the date and the commit."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hilander.atomic_write import atomic_file

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def machine() -> str:
    """Processor, cores and memory in words."""
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB"


def commit() -> str:
    """The commit that is checked out, with a plus where the tree differs from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


def today() -> str:
    """The date, as 2026-11-23."""
    return datetime.date.today().isoformat()


def write_results(name: str, figures: Mapping[str, float], **more: Mapping[str, str]) -> dict:
    """Write ``benchmarks/results/<name>.json`` and return what stands in it; `more` is written beside the figures."""
    record = {
        "machine": machine(),
        "date": today(),
        "commit": commit(),
        **more,
        "figures": {key: float(f"{value:.5g}") for key, value in figures.items()},
    }
    with atomic_file(RESULTS / f"{name}.json") as path:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def bench_data(file: str) -> Path:
    """Return the path of a file of real data, or end the program with what is missing."""
    folder = os.environ.get("HILANDER_BENCH_DATA")
    path = Path(folder or "") / file
    if not folder or not path.is_file():
        raise SystemExit(f"set HILANDER_BENCH_DATA to the folder that holds {file}; got {folder or 'nothing'}")
    return path
