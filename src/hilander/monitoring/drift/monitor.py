"""Compare windows of incoming embeddings with a reference, at a stated rate of false alarms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hilander.embeddings import check_embeddings
from hilander.monitoring.drift.calibration import Calibration
from hilander.monitoring.drift.calibrations import Calibrations
from hilander.monitoring.drift.reference import Reference, first_of_each, norms_of
from hilander.monitoring.drift.sampling import MIN_ROWS, rows_to_compare, sample_window, size_below
from hilander.monitoring.drift.settings import DriftSettings
from hilander.monitoring.drift.sparseness import may_be_sparse, sparse_levels
from hilander.monitoring.drift.statistics import scalar_statistics
from hilander.monitoring.drift.verdict import Statistic, Verdict, reasons_of

if TYPE_CHECKING:
    from hilander.models.clustering_model import ClusteringModel
    from hilander.releases import Release


@dataclass(frozen=True)
class Comparison:
    """A verdict with what it was reached from, for the report.

    Attributes
    ----------
    verdict : Verdict
    calibration : Calibration
    scalars, healthy : DataFrame
        Of each compared row of the window; quantiles of healthy windows.
    window, reference : ndarray of shape (n, 2), float32
        Leading principal components of the compared rows.
    """

    verdict: Verdict
    calibration: Calibration
    scalars: pd.DataFrame
    healthy: pd.DataFrame
    window: NDArray[np.float32]
    reference: NDArray[np.float32]


class TooFewRows(ValueError):
    """A window has too few distinct rows to be judged; more will come."""


class DriftMonitor:
    """Compares windows of embeddings with a reference.

    Incoming items are of classes never seen, so a window never looks quite like the reference. What is usual is
    therefore measured on draws of the reference itself: whole classes are held out and compared with the others.
    Only a window that differs by more than they do has drifted.

    Parameters
    ----------
    embeddings : array-like of shape (n, d)
        The reference. Repeats of a row count once, as in a window.
    labels : array-like of shape (n,), optional
        Its classes or clusters. Without them the draws are random rows, and new classes alone may raise an alarm. One
        that holds more than a tenth of the rows is taken for several, since whole classes are held out.
    model : ClusteringModel, optional
        Adds its own view: linkage, density, cluster sizes, share of singletons.
    settings : DriftSettings, optional
    calibration_folder : path, optional
        Keeps calibrations, which take longest, by a digest of all that they depend on.

    Raises
    ------
    ValueError
        Bad embeddings or labels, or fewer than 250 distinct rows.
    """

    def __init__(
        self,
        embeddings: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        model: ClusteringModel | None = None,
        settings: DriftSettings | None = None,
        calibration_folder: str | Path | None = None,
    ) -> None:
        self.settings = settings or DriftSettings()
        self._reference = Reference.of(embeddings, labels, model, self.settings.seed)
        folder = None if calibration_folder is None else Path(calibration_folder)
        self._calibrations = Calibrations(self._reference, self.settings, folder)

    @classmethod
    def of_release(
        cls,
        release: Release,
        *,
        against: str = "catalogue",
        use_model: bool = True,
        settings: DriftSettings | None = None,
        calibration_folder: str | Path | None = None,
    ) -> DriftMonitor:
        """Compare with what a release was made from.

        Parameters
        ----------
        release : Release
        against : {"catalogue", "training"}
            The evaluated items, whose classes the encoder had not seen either and whose clusters stand for classes;
            or the training items, which every encoder draws closer together than any that it was not trained on.
        use_model, settings, calibration_folder
            See `DriftMonitor`.
        """
        if against not in ("catalogue", "training"):
            raise ValueError(f"against must be 'catalogue' or 'training'; got {against!r}")
        items, column = (release.catalogue(), "cluster") if against == "catalogue" else (release.reference(), "label")
        model = release.clusterer().model if use_model else None
        labels = items.table.get(column)
        return cls(items.embeddings, labels, model=model, settings=settings, calibration_folder=calibration_folder)

    def judge(self, embeddings: ArrayLike, *, show_progress: bool = False) -> Verdict:
        """Return whether the window has drifted, and why; see `compare`."""
        return self.compare(embeddings, show_progress=show_progress).verdict

    def compare(self, embeddings: ArrayLike, *, show_progress: bool = False) -> Comparison:
        """Compare a window with the reference.

        Parameters
        ----------
        embeddings : array-like of shape (n, d)
            Repeats of a row count once.
        show_progress : bool
            Of the calibration, where it has to be computed.

        Raises
        ------
        ValueError
            Bad embeddings, or another width than the reference's.
        TooFewRows
            Fewer than 64 distinct rows.
        """
        window = check_embeddings(embeddings, n_features=self._reference.embeddings.shape[1])
        norms, labels, n_window = norms_of(embeddings), self._reference.labels, len(window)
        first = first_of_each(window)
        if len(first) < n_window:
            window, norms = window[first], norms[first]
        n = rows_to_compare(len(window), len(self._reference.embeddings), self.settings.max_rows)
        if not n:
            raise TooFewRows(
                f"a window must have at least {MIN_ROWS} distinct rows to be judged; got {len(window)}. Wait for more"
            )
        comparison = self._compare(window, norms, n_window, n, 0, show_progress)
        beyond = {statistic.name for statistic in comparison.verdict.statistics if statistic.drifted}
        if labels is None or not may_be_sparse(beyond, comparison.scalars, comparison.healthy):
            return comparison
        for level, n_rows in sparse_levels(len(window), labels, self.settings.max_rows):
            sparse = self._compare(window, norms, n_window, n_rows, level, show_progress)
            if not sparse.verdict.drifted:
                return sparse
        return comparison

    def _compare(
        self,
        window: NDArray[np.float32],
        norms: NDArray[np.float64],
        n_window: int,
        n: int,
        level: int,
        show_progress: bool,
    ) -> Comparison:
        """Compare `n` of the window's distinct rows with healthy windows, thinned as the level says."""
        reference, size = self._reference, size_below(len(window))
        like = size if reference.labels is not None and size < size_below(len(reference.embeddings) // 2) else None
        calibration = self._calibrations.of(n, level, like, show_progress=show_progress)
        random = np.random.default_rng(self.settings.seed)
        healthy, is_sparse = pd.DataFrame(calibration.healthy), level != 0
        sets, tables = [], []
        for _ in range(self.settings.n_samples):
            rows = sample_window(window, n, random, whole_classes=reference.labels is not None)
            others = reference.embeddings[random.permutation(len(reference.embeddings))[:n]]
            of_the_set, of_rows = reference.measure(window[rows], norms[rows], others, self.settings.model_rows)
            sets.append(of_the_set)
            tables.append(of_rows)
        scalars = pd.concat(tables, ignore_index=True)
        values = pd.DataFrame(sets).mean().to_dict() | scalar_statistics(scalars, healthy, sparse=is_sparse)
        p_values, p = calibration.p_values(values)
        excess, thresholds = calibration.excess(values), calibration.thresholds
        statistics = [
            Statistic(name, values[name], thresholds[name], p_values[name], excess[name]) for name in calibration.names
        ]
        axes = reference.frame.components[:2].T
        verdict = Verdict(
            drifted=any(statistic.drifted for statistic in statistics),
            p=p,
            reasons=reasons_of(statistics, scalars, healthy, sparse=is_sparse),
            statistics=statistics,
            false_alarm_rate=self.settings.false_alarm_rate,
            n_window=n_window,
            n_distinct=len(window),
            n_compared=n,
            n_reference=reference.n_given,
            sparse=is_sparse,
        )
        return Comparison(verdict, calibration, scalars, healthy, window[rows] @ axes, others @ axes)
