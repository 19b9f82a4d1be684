"""Time what a newcomer waits for, in a clean clone of the committed tree: ``make bench-foundation``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import RESULTS, ROOT, write_results

LIMITS = {"install_s": 240, "repro_s": 480, "repro_noop_s": 6, "test_s": 1200, "import_s": 3}


def main() -> None:
    """Write ``benchmarks/results/foundation.json``; end with an error where a limit is missed.

    ``python -m benchmarks.foundation import`` times the imports alone and keeps the other figures.
    """
    figures = _imports()
    if sys.argv[1:] != ["import"]:
        figures |= _clone()
    else:
        figures = json.loads((RESULTS / "foundation.json").read_text())["figures"] | figures
    write_results("foundation", figures)
    for name, seconds in figures.items():
        limit = f"(limit {LIMITS[name]} s)" if name in LIMITS else ""
        print(f"{name:<14} {seconds:7.1f} s   {limit}")
    missed = [name for name, seconds in figures.items() if seconds > LIMITS.get(name, float("inf"))]
    if missed:
        sys.exit(f"over the limit: {', '.join(missed)}")


def _imports() -> dict[str, float]:
    """The bare import, and the first use of the public names, which brings torch, DGL and scikit-learn in."""
    statements = {
        "import_s": "import hilander",
        "first_use_s": "import hilander; hilander.HiLander; hilander.train_lander",
    }
    return {
        name: min(_seconds(ROOT, sys.executable, "-c", statement) for _ in range(3))
        for name, statement in statements.items()
    }


def _clone() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "hilander"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        figures = {"install_s": _seconds(clone, "make", "install")}
        _seconds(clone, ".venv/bin/dvc", "pull", "data")
        figures["repro_s"] = _seconds(clone, ".venv/bin/dvc", "repro")
        figures["repro_noop_s"] = _seconds(clone, ".venv/bin/dvc", "repro")
        figures["test_s"] = _seconds(clone, "make", "test")
    return figures


def _seconds(folder: Path, *command: str) -> float:
    # The clone must not see the environment that this program runs in.
    path = os.pathsep.join(
        [str(folder / ".venv" / "bin"), *(p for p in os.environ["PATH"].split(os.pathsep) if ".venv" not in p)]
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MAKEFLAGS")}
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment | {"PATH": path}, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
