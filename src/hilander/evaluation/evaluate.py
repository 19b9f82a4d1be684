"""Predictions beside the baselines on the same embeddings: the figures that stage, CLI and benchmarks share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hilander.embeddings import as_labels, check_embeddings
from hilander.evaluation.baselines import BASELINES, evaluate_baselines
from hilander.evaluation.baselines.tuning import Graph
from hilander.evaluation.diagnostics import cluster_sizes, level_scores, precision_coverage, reliability
from hilander.evaluation.result import MethodResult
from hilander.metrics import one_nn_accuracy

if TYPE_CHECKING:  # figures are drawn and read without a model, so without PyTorch
    from hilander.clustering import LevelSummary
    from hilander.estimator import HiLander


@dataclass(frozen=True)
class Prediction:
    """A clustering of the test embeddings, to be scored.

    Attributes
    ----------
    name : str
        ``"hilander"``, ``"published"``, or any other name.
    labels : ndarray of shape (n,), int64
        Cluster of each item, -1 is noise.
    probabilities : ndarray of shape (n,), float32, optional
        How sure the method is of each item's cluster.
    levels : sequence of LevelSummary
        The hierarchy, finest first.
    seconds : float
        Wall time of the clustering.
    """

    name: str
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None = None
    levels: Sequence[LevelSummary] = ()
    seconds: float = 0.0

    @classmethod
    def of(cls, name: str, clusterer: HiLander, embeddings: NDArray[np.float32]) -> Prediction:
        """Fit an estimator to the test embeddings, and time that."""
        started = time.perf_counter()
        clusterer.fit(embeddings)
        seconds = time.perf_counter() - started
        return cls(name, clusterer.labels_, clusterer.probabilities_, clusterer.levels_, seconds)


@dataclass(frozen=True)
class Evaluation:
    """All that is known of the predictions; the first one is *ours*, which the diagnostics are about.

    Attributes
    ----------
    results : list of MethodResult
        The predictions in order, the baselines, the ceiling.
    labels : ndarray of shape (n,)
        True classes of the test items.
    n_train, n_train_classes : int
        Items and classes that thresholds were tuned on.
    one_nn : float
        Share of test items whose nearest other item is of their class: how good the embeddings are.
    probabilities : ndarray of shape (n,), float32, or None
        Of the first prediction.
    levels, sizes, reliability, precision_coverage : DataFrame
        See `hilander.evaluation.diagnostics`; the last two are empty without probabilities.
    calibration_error : float or None
        Expected calibration error of the probabilities.
    """

    results: list[MethodResult]
    labels: NDArray
    n_train: int
    n_train_classes: int
    one_nn: float
    probabilities: NDArray[np.float32] | None
    levels: pd.DataFrame
    sizes: pd.DataFrame
    reliability: pd.DataFrame
    precision_coverage: pd.DataFrame
    calibration_error: float | None

    @property
    def ours(self) -> MethodResult:
        """The first prediction."""
        return self.results[0]

    @property
    def baselines(self) -> list[MethodResult]:
        """The baselines that ran, best sum of F_P and F_B first."""
        rows = [result for result in self.results if result.name in BASELINES and result.metrics]
        return sorted(rows, key=lambda row: -row.metrics["f_pairwise"] - row.metrics["f_bcubed"])

    @property
    def n_classes(self) -> int:
        """True number of test classes."""
        return len(np.unique(self.labels))

    def metrics(self) -> dict[str, dict[str, float | str]]:
        """Nested figures for ``metrics.json``, one block per method, without durations: same input, same file."""
        blocks: dict[str, dict[str, float | str]] = {
            "test": {"items": len(self.labels), "classes": self.n_classes, "one_nn": self.one_nn}
        }
        for result in self.results:
            blocks[result.name] = dict(result.metrics) if result.metrics else {"reason": result.reason}
        if self.calibration_error is not None:
            blocks[self.ours.name]["calibration_error"] = self.calibration_error
        return blocks


def evaluate(
    predictions: Sequence[Prediction],
    train_embeddings: ArrayLike,
    train_labels: ArrayLike,
    test_embeddings: ArrayLike,
    test_labels: ArrayLike,
    *,
    baselines: Sequence[str] = tuple(BASELINES),
    seed: int = 0,
    show_progress: bool = False,
    train_graph: Graph | None = None,
    test_graph: Graph | None = None,
) -> Evaluation:
    """Score predictions, and baselines tuned on the training classes, on the test classes.

    Parameters
    ----------
    predictions : sequence of Prediction
        At least one; the first is ours.
    train_embeddings, train_labels, test_embeddings, test_labels, seed, show_progress, train_graph, test_graph
        As in `evaluate_baselines`.
    baselines : sequence of str
        Names of baselines; may be empty.

    Raises
    ------
    ValueError
        No prediction, labels that do not fit the embeddings, or an unknown baseline.
    """
    if not predictions:
        raise ValueError("predictions are empty: hand in at least one clustering of the test embeddings")
    labels = as_labels(test_labels)
    for prediction in predictions:
        if prediction.labels.shape != labels.shape:
            raise ValueError(
                f"'{prediction.name}' labels {prediction.labels.shape} items, the test set has {labels.shape}; "
                "cluster exactly the test embeddings"
            )
    results = [
        MethodResult.from_labels(prediction.name, labels, prediction.labels, seconds=prediction.seconds)
        for prediction in predictions
    ]
    results += evaluate_baselines(
        baselines,
        train_embeddings,
        train_labels,
        test_embeddings,
        labels,
        seed=seed,
        show_progress=show_progress,
        train_graph=train_graph,
        test_graph=test_graph,
    )
    ours = predictions[0]
    calibration, error = pd.DataFrame(columns=["probability", "agreement", "items"]), None
    coverage = pd.DataFrame(columns=["coverage", "precision", "probability"])
    if ours.probabilities is not None:
        calibration, error = reliability(labels, ours.labels, ours.probabilities)
        coverage = precision_coverage(labels, ours.labels, ours.probabilities)
    return Evaluation(
        results=results,
        labels=labels,
        n_train=len(np.asarray(train_labels)),
        n_train_classes=len(np.unique(np.asarray(train_labels))),
        one_nn=one_nn_accuracy(check_embeddings(test_embeddings), labels),
        probabilities=ours.probabilities,
        levels=level_scores(labels, ours.levels),
        sizes=cluster_sizes(labels, ours.labels),
        reliability=calibration,
        precision_coverage=coverage,
        calibration_error=error,
    )
