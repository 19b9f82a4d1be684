"""Whitening that a set of embeddings teaches by itself, without a label: from pairs that the model is sure of.

What varies between items of one class differs from set to set: the background of product photos, the slant of a hand,
the pose of a face. Where the model links two items with some certainty, the difference between them is of that kind.
Directions along which such pairs differ much are made to count less, and the set is then clustered anew. This is
within-class whitening (`hilander.whitening`) with links in the place of labels, near to discriminative clustering
(De la Torre and Kanade, ICML 2006; Ding and Li, *Adaptive Dimension Reduction Using Discriminant Analysis and k-means
Clustering*, ICML 2007), where clusters teach a projection and the projection better clusters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.graph.knn import EXACT_UP_TO, nearest_neighbors
from hilander.hierarchy.levels import LevelGraph
from hilander.hierarchy.next_level import first_level
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings
from hilander.whitening import Whitening

FEWEST_ROWS = 100  # pairs of fewer say little of how their classes vary
_LIKELY = 0.5  # linkage
_BLOCKS, _ROWS_PER_BLOCK = 20, 500
_ONE_DIRECTION = 1e-6  # of fewer the differences between rows are rounding


def rows_to_learn_from(n: int) -> NDArray[np.int64]:
    """Return the rows of n that `learn_whitening` looks at.

    All, or of many 10,000 in blocks of rows that follow each other. These lie near each other, as
    `hilander.graph.distinct_rows.ordered_rows` orders many rows, so a block holds most of the neighbours of its items.
    """
    if n <= EXACT_UP_TO:
        return np.arange(n)
    starts = np.linspace(0, n - _ROWS_PER_BLOCK, _BLOCKS).astype(np.int64)
    return (starts[:, None] + np.arange(_ROWS_PER_BLOCK)).ravel()


def learn_whitening(
    embeddings: NDArray[np.float32],
    model: ClusteringModel,
    settings: ClusteringSettings,
    *,
    rows: NDArray[np.int64] | None = None,
) -> Whitening | None:
    """Link `rows_to_learn_from`, and learn whitening from the pairs that are likely of one class.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1.
    model : ClusteringModel
    settings : ClusteringSettings
        Their `whitening` is the least shrinkage; where there are few rows beside d, it is d / (d + n).
    rows : ndarray of int64, optional
        The distinct ones in the order of `hilander.graph.distinct_rows.ordered_rows`; by default all, as they are.

    Returns
    -------
    Whitening or None
        None where `whitening` is 0, rows are fewer than 100 or all of one direction, or no pair is likely.
    """
    if rows is None:
        rows = np.arange(len(embeddings))
    if settings.whitening == 0 or len(rows) < FEWEST_ROWS:
        return None
    embeddings = embeddings[rows[rows_to_learn_from(len(rows))]]
    n, d = embeddings.shape
    mean = embeddings.mean(axis=0, dtype=np.float64)
    if 1 - mean @ mean < _ONE_DIRECTION:
        return None
    nearest = nearest_neighbors(embeddings, settings.n_neighbors)
    links = model.link(LevelGraph(first_level(embeddings), *nearest))
    likely = links.linkage > _LIKELY
    if not likely.any():
        return None
    pairs = np.stack([links.source, links.target], axis=1)[likely]
    return Whitening.fit_pairs(embeddings, pairs, links.linkage[likely], max(settings.whitening, d / (d + n)))
