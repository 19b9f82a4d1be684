"""Where a clustering stands beyond one score: sizes, how far its probabilities can be trusted, its levels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hilander.metrics import Contingency, bcubed, contingency, pairwise

if TYPE_CHECKING:  # figures are drawn and read without a model, so without PyTorch
    from hilander.clustering import LevelSummary

_BINS = 10
_STEPS = 20  # of coverage


def cluster_sizes(labels_true: ArrayLike, labels_pred: ArrayLike) -> pd.DataFrame:
    """Count classes and clusters by size, in bins that widen by about 1.5.

    Returns
    -------
    DataFrame
        ``items`` (the bin, "8–11"), ``classes``, ``clusters``: one row per bin up to the largest.
    """
    table = contingency(labels_true, labels_pred)
    largest = max(table.class_sizes.max(), table.cluster_sizes.max())
    edges = [1]
    while edges[-1] <= largest:
        edges.append(max(edges[-1] + 1, round(edges[-1] * 1.5)))
    names = [str(low) if high == low + 1 else f"{low}–{high - 1}" for low, high in itertools.pairwise(edges)]
    return pd.DataFrame(
        {
            "items": names,
            "classes": np.histogram(table.class_sizes, edges)[0],
            "clusters": np.histogram(table.cluster_sizes, edges)[0],
        }
    )


def agreement(labels_true: ArrayLike, labels_pred: ArrayLike) -> NDArray[np.float64]:
    """For each item, the share of the other members of its cluster that are of its class.

    An item alone in its cluster, or labelled noise (-1), has 1 where it is alone in its class too, else 0. On average
    this is what a probability of belonging to one's cluster should come to.

    Returns
    -------
    ndarray of shape (n,), float64
        Within [0, 1].
    """
    classes = np.unique(np.asarray(labels_true), return_inverse=True)[1]
    clusters = np.unique(np.asarray(labels_pred), return_inverse=True)[1]
    cell = np.unique(classes * (clusters.max() + 1) + clusters, return_inverse=True)[1]
    together = np.bincount(cell)[cell] - 1
    others = np.where(np.asarray(labels_pred) == -1, 0, np.bincount(clusters)[clusters] - 1)
    alone = np.bincount(classes)[classes] == 1
    return np.where(others > 0, together / np.maximum(others, 1), alone.astype(np.float64))


def reliability(
    labels_true: ArrayLike, labels_pred: ArrayLike, probabilities: NDArray[np.floating]
) -> tuple[pd.DataFrame, float]:
    """Compare probabilities with `agreement`, in ten bins of equal width.

    Returns
    -------
    table : DataFrame
        ``probability`` (mean in the bin), ``agreement`` (mean in the bin), ``items``; empty bins are left out.
    error : float
        Expected calibration error: mean distance of the two, weighted by items.
    """
    observed = agreement(labels_true, labels_pred)
    bins = np.clip((np.asarray(probabilities) * _BINS).astype(np.int64), 0, _BINS - 1)
    items = np.bincount(bins, minlength=_BINS)
    kept = items > 0
    table = pd.DataFrame(
        {
            "probability": np.bincount(bins, probabilities, _BINS)[kept] / items[kept],
            "agreement": np.bincount(bins, observed, _BINS)[kept] / items[kept],
            "items": items[kept],
        }
    )
    gaps = (table["probability"] - table["agreement"]).abs()
    return table, float((gaps * table["items"]).sum() / table["items"].sum())


def precision_coverage(
    labels_true: ArrayLike, labels_pred: ArrayLike, probabilities: NDArray[np.floating]
) -> pd.DataFrame:
    """How right the clusters of the surest items are, from the surest twentieth of them to all.

    Probabilities that rank well give a precision that only falls as more items are covered. Items that are as sure
    as one another are covered together.

    Returns
    -------
    DataFrame
        ``coverage`` (share of the items), ``precision`` (their mean `agreement`), ``probability`` (the lowest
        among them); at most 20 rows.
    """
    probabilities = np.asarray(probabilities)
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    precision = np.cumsum(agreement(labels_true, labels_pred)[order]) / np.arange(1, len(order) + 1)
    wanted = -(-np.arange(1, _STEPS + 1) * len(order) // _STEPS)  # in integers: 11 / 20 of 100 would round up to 56
    covered = np.unique(np.searchsorted(-ranked, -ranked[wanted - 1], side="right"))
    return pd.DataFrame(
        {
            "coverage": covered / len(order),
            "precision": precision[covered - 1],
            "probability": ranked[covered - 1].astype(np.float64),
        }
    )


def level_scores(labels_true: ArrayLike, levels: Sequence[LevelSummary]) -> pd.DataFrame:
    """Nodes, edges and clusters of every level, with the score of stopping there.

    Returns
    -------
    DataFrame
        ``level`` from 0, ``nodes``, ``edges``, ``clusters``, ``f_pairwise``, ``f_bcubed``.
    """
    rows = []
    for number, level in enumerate(levels):
        table: Contingency = contingency(labels_true, level.labels)
        scores = (pairwise(table)[2], bcubed(table)[2])
        rows.append((number, level.n_nodes, level.n_edges, level.n_clusters, *scores))
    return pd.DataFrame(rows, columns=["level", "nodes", "edges", "clusters", "f_pairwise", "f_bcubed"])
