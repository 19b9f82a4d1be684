"""Clustering in parts on workers beside one process: ``make bench-scale``.

A killed worker, one and two of them, and the labels of one process to compare with. Each worker has one thread.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from distributed import Client, LocalCluster
from numpy.typing import NDArray

from benchmarks.record import ROOT, write_results
from benchmarks.speed.measuring import peak_memory
from benchmarks.speed.parts import drawn
from hilander import HiLander
from hilander.atomic_write import atomic_file

logger = logging.getLogger("benchmarks.scale")

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_SECONDS_TO_DEATH = 15


def main(n: int = 100_000) -> None:
    """Measure, and write ``benchmarks/scale.md`` and ``benchmarks/results/scale.json``."""
    path = drawn(n)
    started = time.perf_counter()
    expected = HiLander().fit(np.load(path, mmap_mode="r")).labels_
    figures = {
        "n": float(n),
        "one_process.wall_seconds": time.perf_counter() - started,
        "one_process.peak_gb": peak_memory() / 1e9,
    }
    for name, n_workers, kills in (("one_worker", 1, False), ("two_workers", 2, False), ("killed_worker", 2, True)):
        seconds, peak, labels, size = _fit_on_workers(path, n_workers, kills)
        figures |= {
            f"{name}.wall_seconds": seconds,
            f"{name}.peak_gb": peak,
            f"{name}.labels_differing": float((labels != expected).sum()),
            f"{name}.store_gb": size,
        }
        logger.info("%s: %.0f s, %.2f GB, %d labels differ", name, seconds, peak, (labels != expected).sum())
    figures["two_workers.speedup"] = figures["one_worker.wall_seconds"] / figures["two_workers.wall_seconds"]
    record = write_results("scale", figures)
    with atomic_file(ROOT / "benchmarks" / "scale.md") as page:
        page.write_text(_PAGE.format(rows="\n".join(_rows(figures)), **record, n=n), encoding="utf-8")


def _fit_on_workers(path: Path, n_workers: int, kills: bool) -> tuple[float, float, NDArray[np.int64], float]:
    """Seconds, the largest worker's peak memory in GB, labels, and GB in the store."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.run(_warm_up)
        if kills:
            victim = next(iter(client.run(os.getpid).values()))
            threading.Timer(_SECONDS_TO_DEATH, os.kill, (victim, signal.SIGKILL)).start()
        started = time.perf_counter()
        labels = HiLander(engine=client, run_folder=folder).fit(str(path)).labels_
        seconds = time.perf_counter() - started
        size = sum(file.stat().st_size for file in Path(folder).rglob("*.npy")) / 1e9
        return seconds, max(client.run(peak_memory).values()) / 1e9, labels, size


def _warm_up() -> None:
    """Load and compile what a worker that has run for a while has loaded and compiled."""
    rows = np.random.default_rng(0).normal(size=(3000, 32))
    with tempfile.TemporaryDirectory() as folder:
        HiLander(run_folder=folder).fit(rows)


def _rows(figures: dict[str, float]) -> list[str]:
    seconds, peak = figures["one_process.wall_seconds"], figures["one_process.peak_gb"]
    rows = [f"| one process | {seconds:.0f} | {peak:.2f} | |"]
    for name in ("one_worker", "two_workers", "killed_worker"):
        seconds, peak, differing = (
            figures[f"{name}.{what}"] for what in ("wall_seconds", "peak_gb", "labels_differing")
        )
        rows.append(f"| {name.replace('_', ' ')} | {seconds:.0f} | {peak:.2f} | {differing:.0f} |")
    return rows


_PAGE = """\
# Clustering in parts

{n:,} rows of 256 numbers (`benchmarks/speed/draw.py`), clustered by the general model in one process, and part by part
on the workers of a Dask scheduler on the same machine (`HiLander(engine=client)`), each with one thread. One of two
workers is killed in the middle of the last run.

| | wall seconds | peak memory of the largest process, GB | labels that differ from those of one process |
|---|---|---|---|
{rows}

Measured on {date} at commit {commit} on {machine}, by `make bench-scale`. All figures are in
[results/scale.json](results/scale.json); what they mean for larger sets stands in [docs/scale.md](../docs/scale.md).
"""

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if os.environ.get("OMP_NUM_THREADS") != "1":  # before any library has counted the cores
        os.execve(
            sys.executable, [sys.executable, "-m", "benchmarks.scale", *sys.argv[1:]], {**os.environ, **_ONE_THREAD}
        )
    main(*(int(argument) for argument in sys.argv[1:]))
