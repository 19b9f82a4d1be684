"""Choose the linkage threshold on labelled training classes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hilander.graph.distinct_rows import distinct_rows
from hilander.graph.knn import nearest_neighbors
from hilander.metrics import score
from hilander.model_levels import model_levels, remembered
from hilander.models.clustering_model import ClusteringModel
from hilander.training.labelled_set import LabelledSet

logger = logging.getLogger(__name__)

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class ThresholdChoice:
    """The threshold with the highest F_P + F_B, and what every candidate gave.

    Attributes
    ----------
    threshold : float
    table : list of dict
        Per candidate: ``threshold``, ``f_pairwise``, ``f_bcubed``, ``clusters``.
    """

    threshold: float
    table: list[dict[str, float]]


def choose_threshold(
    model: ClusteringModel,
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    random_state: int = 0,
    show_progress: bool = False,
) -> ThresholdChoice:
    """Cluster training embeddings with every candidate threshold and keep the best.

    What several candidates have in common, as the links of level 0, is computed once.

    Parameters
    ----------
    model : ClusteringModel
    embeddings : ndarray of shape (n, d), float32
        L2-normalised, of training classes.
    labels : ndarray of shape (n,), int64
    thresholds : sequence of float
    random_state : int
    show_progress : bool
    """
    settings = model.settings
    first, inverse = distinct_rows(embeddings)
    distinct = embeddings[first]
    nearest = nearest_neighbors(distinct, settings.n_neighbors, random_state=random_state)
    link = remembered(model.linker())  # level 0 is the same for all candidates, and often those above it are
    table = []
    for threshold in tqdm(thresholds, desc="threshold", disable=not show_progress):
        candidate = replace(settings, linkage_threshold=threshold)
        levels = model_levels(distinct, model, candidate, link=link, neighbors=nearest, random_state=random_state)
        members = np.zeros(len(distinct), np.int64)  # of a single distinct row, which has no level
        for level in levels:
            members = level.merged.members
        scores = score(labels, members[inverse])
        reported = {name: scores[name] for name in ("f_pairwise", "f_bcubed", "clusters")}
        table.append({"threshold": threshold, **reported})
        logger.info("threshold %.2f: F_P %.3f, F_B %.3f", threshold, scores["f_pairwise"], scores["f_bcubed"])
    return _best(table)


def choose_threshold_for_all(
    model: ClusteringModel, sets: Sequence[LabelledSet], *, random_state: int = 0, show_progress: bool = False
) -> ThresholdChoice:
    """Choose the one threshold that is best on the mean over several sets of training classes."""
    tables = [
        choose_threshold(
            model, each.embeddings, each.labels, random_state=random_state, show_progress=show_progress
        ).table
        for each in sets
    ]
    scores = [name for name in tables[0][0] if name != "threshold"]  # whose mean is rounded beside it
    table = [
        same[0] | {name: float(np.mean([row[name] for row in same])) for name in scores}
        for same in zip(*tables, strict=True)
    ]
    return _best(table)


def with_threshold(model: ClusteringModel, choice: ThresholdChoice) -> ClusteringModel:
    """Return the model with that threshold in its settings."""
    return replace(model, settings=replace(model.settings, linkage_threshold=choice.threshold))


def _best(table: list[dict[str, float]]) -> ThresholdChoice:
    best = max(table, key=lambda row: row["f_pairwise"] + row["f_bcubed"])
    return ThresholdChoice(best["threshold"], table)
