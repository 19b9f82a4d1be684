"""Calibrations of a reference for windows of many sizes: computed at need, kept in memory and in a folder."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from hilander.monitoring.drift.calibration import Calibration, quantiles
from hilander.monitoring.drift.reference import Reference
from hilander.monitoring.drift.settings import DriftSettings
from hilander.monitoring.drift.sparseness import draw_split
from hilander.monitoring.drift.statistics import scalar_statistics

logger = logging.getLogger(__name__)


class Calibrations:
    """What healthy windows measure, by how many rows are compared and how far they are thinned.

    Parameters
    ----------
    reference : Reference
    settings : DriftSettings
    folder : Path or None
        Keeps calibrations, which take longest, by a digest of all that they depend on.
    """

    def __init__(self, reference: Reference, settings: DriftSettings, folder: Path | None) -> None:
        self._reference, self._settings, self._folder = reference, settings, folder
        self._known: dict[tuple[int, int, int | None], Calibration] = {}

    def of(self, n: int, level: int, n_window: int | None, *, show_progress: bool = False) -> Calibration:
        """Return what is known of windows of which `n` rows are compared, or draw them.

        Parameters
        ----------
        n : int
            Rows to compare.
        level : int
            Of thinning, see `hilander.monitoring.drift.sparseness.sparse_levels`.
        n_window : int or None
            Rows of the window, one of the sizes of `hilander.monitoring.drift.sampling.size_below`; None for any that
            holds as many as half of the reference.
        show_progress : bool
        """
        if (n, level, n_window) in self._known:
            return self._known[n, level, n_window]
        path = None if self._folder is None else self._folder / f"drift-{self._digest(n, level, n_window)}.json"
        calibration = None if path is None else Calibration.load(path)
        if calibration is None:
            calibration = self._draw(n, level, n_window, show_progress)
            if path is not None:
                try:
                    calibration.save(path)
                except OSError as error:  # releases may lie where nothing can be written
                    logger.warning("the calibration is not kept, and will be computed again: %s", error)
        self._known[n, level, n_window] = calibration
        return calibration

    def _draw(self, n: int, level: int, n_window: int | None, show_progress: bool) -> Calibration:
        reference, settings = self._reference, self._settings
        random = np.random.default_rng(settings.seed)
        sets, tables, shares = [], [], []
        for _ in tqdm(range(settings.n_draws), "calibrating on the reference", disable=not show_progress):
            held, rest = draw_split(reference.embeddings, reference.labels, n, random, level, n_window)
            window, norms, others = reference.embeddings[held], reference.norms[held], reference.embeddings[rest]
            of_the_set, scalars = reference.measure(window, norms, others, settings.model_rows)
            sets.append(of_the_set)
            tables.append(scalars)
            shares.append(_share(held, reference.labels, len(reference.embeddings)))
        healthy = quantiles(pd.concat(tables))
        draws = pd.DataFrame([scalar_statistics(table, healthy, sparse=level != 0) for table in tables])
        # A draw is part of what `healthy` was pooled from, a window is not: its deviation is larger by this factor.
        share = float(np.mean(shares))
        draws = draws.mean() + (draws - draws.mean()) * np.sqrt((1 + share) / (1 - share))
        draws = pd.concat([pd.DataFrame(sets), draws], axis=1)
        return Calibration.of(draws, healthy, settings.false_alarm_rate, settings.confidence)

    def _digest(self, n: int, level: int, n_window: int | None) -> str:
        model = self._reference.model
        of_model = None if model is None else asdict(model.settings)
        of_all = [n, level, n_window, asdict(self._settings), of_model]
        digest = hashlib.sha256(json.dumps(of_all).encode())
        self._reference.add_to(digest)
        return digest.hexdigest()[:16]


def _share(held: NDArray[np.int64], labels: NDArray[np.int64] | None, n_rows: int) -> float:
    """Return the share of the reference that a draw holds: of its classes where it has some, whose rows are alike."""
    if labels is None:
        return len(held) / n_rows
    return len(np.unique(labels[held])) / (int(labels.max()) + 1)
