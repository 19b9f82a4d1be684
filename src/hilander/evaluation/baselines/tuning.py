"""Choose each baseline's thresholds on the training classes, then run it once on the test embeddings."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from hilander.embeddings import check_embeddings, check_labels
from hilander.evaluation.baselines.grids import Setting
from hilander.evaluation.baselines.kmeans import nearest_class_mean
from hilander.evaluation.baselines.point_set import PointSet
from hilander.evaluation.baselines.registry import BASELINES, Baseline
from hilander.evaluation.result import MethodResult
from hilander.metrics import bcubed, contingency, pairwise

logger = logging.getLogger(__name__)

Graph = tuple[NDArray[np.int64], NDArray[np.float32]]


def tune(
    baseline: Baseline, points: PointSet, labels: NDArray[np.int64], seed: int = 0, *, show_progress: bool = False
) -> tuple[Setting, list[Setting]]:
    """Try the whole grid and take the setting with the largest F_pairwise + F_BCubed.

    The points should be all training points: on half of them, graphs are sparser and another resolution looks best.

    Returns
    -------
    chosen : dict
        The best setting; the first of equals.
    table : list of dict
        Every setting with its ``f_pairwise`` and ``f_bcubed``.
    """
    rows: list[Setting] = []
    runs = baseline.cluster(points, baseline.grid, seed)
    bar = tqdm(runs, desc=f"tune {baseline.name}", total=len(baseline.grid), leave=False, disable=not show_progress)
    for setting, predicted in zip(baseline.grid, bar, strict=True):
        table = contingency(labels, predicted)
        rows.append({**setting, "f_pairwise": pairwise(table)[2], "f_bcubed": bcubed(table)[2]})
    best = max(range(len(rows)), key=lambda row: float(rows[row]["f_pairwise"]) + float(rows[row]["f_bcubed"]))
    return baseline.grid[best], rows


def evaluate_baselines(
    names: Sequence[str],
    train_embeddings: ArrayLike,
    train_labels: ArrayLike,
    test_embeddings: ArrayLike,
    test_labels: ArrayLike,
    *,
    seed: int = 0,
    show_progress: bool = False,
    train_graph: Graph | None = None,
    test_graph: Graph | None = None,
) -> list[MethodResult]:
    """Tune every named baseline on the training classes and score it on the test classes.

    Parameters
    ----------
    names : sequence of str
        Keys of `BASELINES`.
    train_embeddings, test_embeddings : array-like of shape (n, d)
        Of disjoint classes, from the same encoder.
    train_labels, test_labels : array-like of shape (n,)
        Test labels score, and give k-means its K; they tune nothing.
    seed : int
        Same seed, same labels.
    show_progress : bool
        Progress bars.
    train_graph, test_graph : tuple of neighbors and similarities, optional
        kNN graphs of shape (n, k); searched here where absent or shorter than 20 neighbours.

    Returns
    -------
    list of MethodResult
        One per name in the order given, then the ceiling. A method that fails, or whose library is missing, has no
        metrics but a reason.

    Raises
    ------
    ValueError
        An unknown name, or embeddings and labels that do not fit.
    """
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise ValueError(f"unknown baselines {', '.join(unknown)}; known: {', '.join(BASELINES)}")
    train_embeddings = check_embeddings(train_embeddings, min_rows=2)
    train_labels = check_labels(train_labels, len(train_embeddings))
    test_embeddings = check_embeddings(test_embeddings, min_rows=2, n_features=train_embeddings.shape[1])
    test_labels = check_labels(test_labels, len(test_embeddings))
    train = PointSet.build(train_embeddings, train_graph)
    test = PointSet.build(test_embeddings, test_graph)
    results = []
    for name in tqdm(names, desc="baselines", disable=not show_progress):
        results.append(_evaluate(BASELINES[name], train, train_labels, test, test_labels, seed, show_progress))
    return [*results, ceiling(test_embeddings, test_labels)]


def ceiling(embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> MethodResult:
    """Score of every point at its nearest true class mean."""
    start = time.perf_counter()
    predicted = nearest_class_mean(embeddings, labels)
    seconds = time.perf_counter() - start
    return MethodResult.from_labels("ceiling", labels, predicted, seconds=seconds)


def _evaluate(
    baseline: Baseline,
    train: PointSet,
    train_labels: NDArray[np.int64],
    test: PointSet,
    test_labels: NDArray[np.int64],
    seed: int,
    show_progress: bool,
) -> MethodResult:
    started = time.perf_counter()
    try:
        tuning: list[Setting] = []
        setting: Setting = {"n_clusters": int(test_labels.max()) + 1}
        if baseline.grid:
            setting, tuning = tune(baseline, train, train_labels, seed, show_progress=show_progress)
        tuned = time.perf_counter()
        labels = baseline.fit_predict(test, setting, seed)
        finished = time.perf_counter()
    except Exception as error:  # one broken baseline must not cost the others, nor our own figures
        logger.warning("%s gave no result: %s", baseline.name, error, exc_info=not isinstance(error, ImportError))
        reason = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        return MethodResult(baseline.name, reason=reason)
    result = MethodResult.from_labels(
        baseline.name,
        test_labels,
        labels,
        seconds=finished - tuned,
        parameters=setting,
        tuning=tuning,
        tuning_seconds=tuned - started,
    )
    logger.info(
        "%s: F_P %.3f, F_B %.3f, %d clusters in %.1f s with %s (%d settings tried in %.1f s)",
        baseline.name, result.metrics["f_pairwise"], result.metrics["f_bcubed"], result.metrics["clusters"],
        result.seconds, setting, len(tuning), result.tuning_seconds,
    )  # fmt: skip
    return result
