"""The figures of many beds in several processes of one thread each: most of the work is too small for more threads.

What learns from drawn sets holds some 10 GB, so only one such training is at work at a time, and every part has a
process of its own.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass

from benchmarks.quality.beds import Bed
from benchmarks.quality.measure import SEEDS, Figures, Key, measured_parts, params_of, seeds_of
from hilander.config import RelationalParams
from hilander.evaluation import BASELINES

logger = logging.getLogger(__name__)

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_BASELINES = (*BASELINES, "ceiling")


@dataclass(frozen=True)
class Part:
    """What one process does in one go: it shares a model, or the tuning of baselines, between beds.

    Attributes
    ----------
    title : str
        For the log.
    beds, methods, seed
        Arguments of `measured_parts`.
    large : bool
        Whether it learns from drawn sets.
    """

    title: str
    beds: tuple[Bed, ...]
    methods: tuple[str, ...]
    seed: int | None
    large: bool = False

    def run(self) -> tuple[dict[Key, Figures], float]:
        """Return the figures and the seconds that they took."""
        started = time.perf_counter()
        return measured_parts(self.beds, self.methods, self.seed), time.perf_counter() - started


def parts_of(beds: Sequence[Bed]) -> list[Part]:
    """Whatever is to be found, longest parts first so that none is left alone at the end.

    Every model is trained in one part, with all beds that it clusters, and every baseline tuned in one. Baselines of
    what the general model learned from go with its own figures, as drawing those sets takes minutes.
    """
    baselines: dict[str, list[Bed]] = {}
    models: dict[tuple, list[Bed]] = {}
    for bed in beds:
        baselines.setdefault(bed.tuned_on, []).append(bed)
        for variant in SEEDS:
            for seed in seeds_of(bed, variant):
                models.setdefault((bed.learned_on, variant, params_of(bed, variant), seed), []).append(bed)
    parts = []
    for (learned_on, variant, params, seed), sharing in models.items():
        if learned_on == "general":
            continue
        large = isinstance(params, RelationalParams) and params.n_drawn > 0
        title = f"{variant} {seed}, learned on {learned_on}" + (" and drawn sets" if large else "")
        parts.append(Part(title, tuple(sharing), (variant,), seed, large))
    for tuned_on, sharing in baselines.items():
        methods = (*SEEDS, *_BASELINES) if tuned_on == "general" else _BASELINES
        parts.append(Part(f"all that is tuned on {tuned_on}", tuple(sharing), methods, None))
    return sorted(parts, key=_weight, reverse=True)


def _weight(part: Part) -> tuple[bool, bool, int]:
    """Larger for what takes longer: drawn sets, then whatever is large or learned for long, then many beds."""
    thinned = any("n_thinned" in bed.training for bed in part.beds)
    long = thinned or any(name in part.title for name in ("synthetic", "general", "published"))
    return part.large, long, len(part.beds)


def measured_side_by_side(parts: Sequence[Part], n_processes: int) -> Iterator[dict[Key, Figures]]:
    """Yield the figures of each part as it is done; those of earlier runs are taken up."""
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # of the processes; this one has its threads already
    left, running = list(parts), dict[Future, Part]()
    pool = ProcessPoolExecutor(n_processes, multiprocessing.get_context("spawn"), _log, max_tasks_per_child=1)
    with pool as processes:
        while left or running:
            while len(running) < n_processes and (part := _next(left, running.values())):
                running[processes.submit(part.run)] = part
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                part = running.pop(future)
                figures, seconds = future.result()
                logger.info(
                    "%s: %.0f s; %d parts of %d to go", part.title, seconds, len(left) + len(running), len(parts)
                )
                yield figures


def _next(left: list[Part], running: Sequence[Part]) -> Part | None:
    """Take the first part that may run beside the others."""
    one_is_large = any(part.large for part in running)
    for number, part in enumerate(left):
        if not (part.large and one_is_large):
            return left.pop(number)
    return None


def _log() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("hilander").setLevel(logging.WARNING)  # levels of two processes at a time tell nothing
