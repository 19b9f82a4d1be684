"""CPU seconds and peak memory of one part, each in a process of its own with one thread."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import ROOT
from hilander.atomic_write import atomic_file

WORK = ROOT / "benchmarks" / ".work" / "speed"
# glibc gives large arrays back to the system at once, and a virtual machine's host may take that memory: to touch it
# again costs 2 ms per megabyte there, which is a sixth of our time at 100k and says nothing of either pipeline.
_KEEPS_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def cpu_seconds(action: Callable[[], Any], repeats: int = 1) -> float:
    """Median CPU time: what others run on the machine meanwhile hardly shows in it."""
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        action()
        seconds.append(time.process_time() - started)
    return float(np.median(seconds))


def peak_memory() -> float:
    """Most bytes that this process has held resident so far.

    Not getrusage's ru_maxrss, in which a process that another one has started begins with the peak of that one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024.0


def apart(action: Callable[..., None], *arguments: Any) -> None:
    """Do something in a process of its own, so that what it holds does not count as ours."""
    process = multiprocessing.get_context("spawn").Process(target=action, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{action.__name__} failed")


def recall(found: NDArray[np.int64], true: NDArray[np.int64]) -> float:
    """Share of the true neighbours (n, k) that were found."""
    return float(np.mean([len(np.intersect1d(*rows)) / true.shape[1] for rows in zip(found, true, strict=True)]))


def figures_of(part: str, n_threads: int = 1) -> dict[str, float]:
    """Figures of one part, measured in a process of its own unless an earlier run got so far.

    Parts whose names end in ``_again`` run in a process that keeps memory which it has freed.
    """
    path = WORK / f"{part}.json"
    if not path.exists():
        settings = dict.fromkeys(_THREADS, str(n_threads)) | (_KEEPS_MEMORY if part.endswith("_again") else {})
        subprocess.run(
            [sys.executable, "-m", "benchmarks.speed", part], check=True, cwd=ROOT, env={**os.environ, **settings}
        )
    return json.loads(path.read_text(encoding="utf-8"))


def keep_figures(part: str, figures: dict[str, float]) -> None:
    """Write the figures of a finished part down."""
    with atomic_file(WORK / f"{part}.json") as path:
        path.write_text(json.dumps(figures), encoding="utf-8")
