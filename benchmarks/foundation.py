"""Time what a newcomer waits for, in a clean clone of the committed tree: ``make bench-foundation``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import ROOT, write_results

LIMITS = {"install_s": 240, "repro_s": 480, "repro_noop_s": 6, "test_s": 600, "import_s": 3}


def main() -> None:
    """Write ``benchmarks/results/foundation.json``; end with an error where a limit is missed."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "hilander"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        figures = {"install_s": _seconds(clone, "make", "install")}
        _seconds(clone, ".venv/bin/dvc", "pull", "data")
        figures["repro_s"] = _seconds(clone, ".venv/bin/dvc", "repro")
        figures["repro_noop_s"] = _seconds(clone, ".venv/bin/dvc", "repro")
        figures["import_s"] = min(_seconds(clone, ".venv/bin/python", "-c", _IMPORT) for _ in range(3))
        figures["test_s"] = _seconds(clone, "make", "test")
    write_results("foundation", figures)
    for name, seconds in figures.items():
        print(f"{name:<14} {seconds:7.1f} s   (limit {LIMITS[name]} s)")
    missed = [name for name, seconds in figures.items() if seconds > LIMITS[name]]
    if missed:
        sys.exit(f"over the limit: {', '.join(missed)}")


_IMPORT = "import hilander; hilander.HiLander; hilander.train_lander"


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
