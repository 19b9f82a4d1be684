"""Compare windows of incoming embeddings with a reference, at a stated rate of false alarms."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from hilander.embeddings import check_embeddings, check_labels
from hilander.monitoring.drift.calibration import Calibration, quantiles
from hilander.monitoring.drift.sampling import MIN_ROWS, rows_to_compare, sample_window, split_rows
from hilander.monitoring.drift.sparseness import draw_split, may_be_sparse, sparse_levels
from hilander.monitoring.drift.statistics import (
    Frame,
    domain_auc,
    mean_discrepancy,
    row_scalars,
    scalar_statistics,
)
from hilander.monitoring.drift.verdict import Statistic, Verdict, reasons_of

if TYPE_CHECKING:
    from hilander.models.clustering_model import ClusteringModel
    from hilander.releases import Release

logger = logging.getLogger(__name__)

_MIN_REFERENCE = 250  # rows
_SHARE_FOR_AXES = 0.2  # of the reference
_LARGEST_CLASS = 0.1  # of the reference: what is held out is then always enough


@dataclass(frozen=True)
class DriftSettings:
    """How a window is compared.

    Attributes
    ----------
    false_alarm_rate : float
        Of the overall verdict, all statistics together.
    confidence : float
        That the rate holds, since the limits are estimated from draws.
    n_draws : int
        Healthy windows drawn from the reference.
    max_rows : int
        Rows of either side that are compared; larger windows are sampled.
    n_samples : int
        Of window and reference, over which a window's statistics are averaged. Draws are measured once each, so a
        healthy window's average lies within their spread all the more.
    model_rows : int
        Of these, rows that the model is asked about.
    seed : int
        The same seed gives the same verdict.
    """

    false_alarm_rate: float = 0.05
    confidence: float = 0.95
    n_draws: int = 100
    max_rows: int = 2048
    n_samples: int = 3
    model_rows: int = 1024
    seed: int = 0


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
        The reference.
    labels : array-like of shape (n,), optional
        Its classes or clusters. Without them the draws are random rows, and new classes alone may raise an alarm.
    model : ClusteringModel, optional
        Adds its own view: linkage, density, cluster sizes, share of singletons.
    settings : DriftSettings, optional
    calibration_folder : path, optional
        Keeps calibrations, which take longest, by a digest of all that they depend on.

    Raises
    ------
    ValueError
        Bad embeddings or labels, fewer than 250 rows, or a class that holds more than a tenth of them.
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
        self.model = model
        self._folder = None if calibration_folder is None else Path(calibration_folder)
        checked = check_embeddings(embeddings, n_features=None if model is None else model.n_features)
        if len(checked) < _MIN_REFERENCE:
            raise ValueError(f"the reference must have at least {_MIN_REFERENCE} rows; got {len(checked)}")
        norms = np.linalg.norm(np.asarray(embeddings, np.float64), axis=1)
        classes = None if labels is None else check_labels(labels, len(checked))
        if classes is not None and (largest := np.bincount(classes).max()) > _LARGEST_CLASS * len(classes):
            raise ValueError(
                f"no class of the reference may hold more than a tenth of its rows, since whole classes are held out; "
                f"one holds {largest:,} of {len(classes):,}. Thin it, or leave the labels out"
            )
        random = np.random.default_rng(self.settings.seed)
        # Axes fit the rows that they are computed from better than any others, so these rows are compared no more.
        for_axes, compared = split_rows(len(checked), classes, _SHARE_FOR_AXES, random)
        self._n_reference = len(checked)
        self._frame = Frame.of(checked[for_axes], norms[for_axes], random)
        self._embeddings, self._norms = checked[compared], norms[compared]
        self._labels = None if classes is None else np.unique(classes[compared], return_inverse=True)[1]
        self._calibrations: dict[tuple[int, int], Calibration] = {}  # by rows compared and level of thinning

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
        window = check_embeddings(embeddings, n_features=self._embeddings.shape[1])
        norms = np.linalg.norm(np.asarray(embeddings, np.float64), axis=1)
        first = _distinct(window)
        n = rows_to_compare(len(first), len(self._embeddings), self.settings.max_rows)
        if not n:
            raise TooFewRows(
                f"a window must have at least {MIN_ROWS} distinct rows to be judged; got {len(first)}. Wait for more"
            )
        comparison = self._compare(window, norms, first, n, 0, show_progress)
        beyond = {statistic.name for statistic in comparison.verdict.statistics if statistic.drifted}
        if self._labels is None or not may_be_sparse(beyond, comparison.scalars, comparison.healthy):
            return comparison
        for level, n_rows in sparse_levels(len(first), self._labels, self.settings.max_rows):
            sparse = self._compare(window, norms, first, n_rows, level, show_progress)
            if not sparse.verdict.drifted:
                return sparse
        return comparison

    def _compare(
        self,
        window: NDArray[np.float32],
        norms: NDArray[np.float64],
        first: NDArray[np.int64],
        n: int,
        level: int,
        show_progress: bool,
    ) -> Comparison:
        """Compare `n` of the window's distinct rows with healthy windows, thinned as the level says."""
        calibration = self._calibration(n, level, show_progress)
        random = np.random.default_rng(self.settings.seed)
        healthy, is_sparse = pd.DataFrame(calibration.healthy), level != 0
        sets, tables = [], []
        for _ in range(self.settings.n_samples):
            rows = first[sample_window(window[first], n, random, whole_classes=self._labels is not None)]
            reference = self._embeddings[random.permutation(len(self._embeddings))[:n]]
            sets.append(self._set_statistics(window[rows], reference))
            tables.append(self._scalars(window[rows], norms[rows], reference))
        scalars = pd.concat(tables, ignore_index=True)
        values = pd.DataFrame(sets).mean().to_dict() | scalar_statistics(scalars, healthy, sparse=is_sparse)
        p_values, p = calibration.p_values(values)
        excess, thresholds = calibration.excess(values), calibration.thresholds
        statistics = [
            Statistic(name, values[name], thresholds[name], p_values[name], excess[name]) for name in calibration.names
        ]
        axes = self._frame.components[:2].T
        verdict = Verdict(
            drifted=any(statistic.drifted for statistic in statistics),
            p=p,
            reasons=reasons_of(statistics, scalars, healthy, sparse=is_sparse),
            statistics=statistics,
            false_alarm_rate=self.settings.false_alarm_rate,
            n_window=len(window),
            n_distinct=len(first),
            n_compared=n,
            n_reference=self._n_reference,
            sparse=is_sparse,
        )
        return Comparison(verdict, calibration, scalars, healthy, window[rows] @ axes, reference @ axes)

    def _calibration(self, n: int, level: int, show_progress: bool) -> Calibration:
        """Calibrate for windows of `n` rows, thinned as the level says, or take what is known."""
        if (n, level) in self._calibrations:
            return self._calibrations[n, level]
        path = None if self._folder is None else self._folder / f"drift-{self._digest(n, level)}.json"
        calibration = None if path is None else Calibration.load(path)
        if calibration is None:
            calibration = self._calibrate(n, level, show_progress)
            if path is not None:
                try:
                    calibration.save(path)
                except OSError as error:  # releases may lie where nothing can be written
                    logger.warning("the calibration is not kept, and will be computed again: %s", error)
        self._calibrations[n, level] = calibration
        return calibration

    def _calibrate(self, n: int, level: int, show_progress: bool) -> Calibration:
        random = np.random.default_rng(self.settings.seed)
        sets, scalars = [], []
        for _ in tqdm(range(self.settings.n_draws), "calibrating on the reference", disable=not show_progress):
            held, rest = draw_split(self._embeddings, self._labels, n, random, level)
            sets.append(self._set_statistics(self._embeddings[held], self._embeddings[rest]))
            scalars.append(self._scalars(self._embeddings[held], self._norms[held], self._embeddings[rest]))
        healthy = quantiles(pd.concat(scalars))
        draws = pd.DataFrame([scalar_statistics(table, healthy, sparse=level != 0) for table in scalars])
        # A draw is part of what `healthy` was pooled from, a window is not: its deviation is larger by this factor.
        share = n / len(self._embeddings)
        draws = draws.mean() + (draws - draws.mean()) * np.sqrt((1 + share) / (1 - share))
        draws = pd.concat([pd.DataFrame(sets), draws], axis=1)
        return Calibration.of(draws, healthy, self.settings.false_alarm_rate, self.settings.confidence)

    def _set_statistics(self, window: NDArray[np.float32], reference: NDArray[np.float32]) -> dict[str, float]:
        return {
            "domain_auc": domain_auc(window, reference),
            "mean_discrepancy": mean_discrepancy(window, reference, self._frame),
        }

    def _scalars(
        self, window: NDArray[np.float32], norms: NDArray[np.float64], reference: NDArray[np.float32]
    ) -> pd.DataFrame:
        scalars = row_scalars(window, norms, reference, self._frame)
        if self.model is None:
            return scalars
        from hilander.monitoring.drift.model_view import model_scalars  # loads torch, which a bare comparison needs not

        return scalars.join(model_scalars(window[: self.settings.model_rows], self.model))

    def _digest(self, n: int, level: int) -> str:
        settings = None if self.model is None else asdict(self.model.settings)
        digest = hashlib.sha256(json.dumps([n if level == 0 else [n, level], asdict(self.settings), settings]).encode())
        for array in (self._embeddings, self._norms, self._labels):
            digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        if self.model is not None and (network := self.model.network()) is not None:
            for name, weight in network.state_dict().items():
                digest.update(name.encode() + weight.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]


def _distinct(embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
    """First position of every distinct row, in order."""
    as_bytes = embeddings.view(np.dtype((np.void, embeddings.shape[1] * embeddings.itemsize))).ravel()
    return np.sort(np.unique(as_bytes, return_index=True)[1])
