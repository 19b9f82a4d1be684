"""Hierarchical agglomerative clustering: one dendrogram, cut at every threshold of the grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as scipy_linkage

from hilander.evaluation.baselines.grids import Setting
from hilander.evaluation.baselines.point_set import PointSet

FULL_UP_TO = 30_000  # points; two float64 triangles of distances are 7.2 GB there
_ROWS_PER_CHUNK = 512


def hac_average(points: PointSet, settings: Sequence[Setting], seed: int) -> Iterator[NDArray[np.int64]]:
    """Average linkage on cosine distances; merges up to ``distance_threshold``.

    All n(n − 1)/2 distances up to 30,000 points (3.6 GB, and SciPy's copy of them); above, merges are allowed only
    along the kNN graph (scikit-learn's connectivity constraint), whose memory is linear in n.
    """
    yield from _cut(_dendrogram(points, "average"), settings)


def hac_ward(points: PointSet, settings: Sequence[Setting], seed: int) -> Iterator[NDArray[np.int64]]:
    """Ward linkage on Euclidean distances of the normalised embeddings; memory as `hac_average`."""
    yield from _cut(_dendrogram(points, "ward"), settings)


def _cut(dendrogram: NDArray[np.float64], settings: Sequence[Setting]) -> Iterator[NDArray[np.int64]]:
    for setting in settings:
        yield fcluster(dendrogram, float(setting["distance_threshold"]), "distance").astype(np.int64)


def _dendrogram(points: PointSet, method: str) -> NDArray[np.float64]:
    if points.n > FULL_UP_TO:
        return _dendrogram_along_edges(points, method)
    distances = _cosine_distances(points.embeddings)
    if method == "ward":  # ‖a − b‖ = √(2 − 2 cos) on the unit sphere
        distances *= 2
        np.sqrt(distances, out=distances)
    return scipy_linkage(distances, method)


def _cosine_distances(embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
    """Upper triangle of 1 − cos, row after row, in SciPy's condensed form of shape (n (n - 1) / 2,)."""
    n = len(embeddings)
    condensed, filled = np.empty(n * (n - 1) // 2), 0
    for start in range(0, n - 1, _ROWS_PER_CHUNK):
        block = 1 - embeddings[start : start + _ROWS_PER_CHUNK] @ embeddings[start:].T
        for row, distances in enumerate(block):
            condensed[filled : filled + n - 1 - start - row] = distances[row + 1 :]
            filled += n - 1 - start - row
    return np.maximum(condensed, 0, out=condensed)


def _dendrogram_along_edges(points: PointSet, method: str) -> NDArray[np.float64]:
    from sklearn.cluster import AgglomerativeClustering

    model = AgglomerativeClustering(
        n_clusters=None,
        distance_threshold=0,  # the whole dendrogram
        linkage=method,
        metric="euclidean" if method == "ward" else "cosine",
        connectivity=points.distance_graph(),
    ).fit(points.embeddings)
    heights = np.maximum.accumulate(model.distances_)  # constrained merges may come in a falling order
    sizes = np.ones(2 * points.n - 1)
    for merge, (left, right) in enumerate(model.children_):
        sizes[points.n + merge] = sizes[left] + sizes[right]
    return np.column_stack([model.children_, heights, sizes[points.n :]]).astype(np.float64)
