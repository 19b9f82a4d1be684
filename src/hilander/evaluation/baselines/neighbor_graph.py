"""Connected components, Chinese Whispers and FINCH: clusters read straight off the nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components as scipy_components

from hilander.evaluation.baselines.grids import Setting
from hilander.evaluation.baselines.point_set import PointSet
from hilander.graph.knn import nearest_neighbors

_WHISPER_ROUNDS = 20


def connected_components(points: PointSet, settings: Sequence[Setting], seed: int) -> Iterator[NDArray[np.int64]]:
    """Components of the kNN graph whose edges are more similar than ``similarity_threshold``."""
    for setting in settings:
        edges, _ = points.edges(int(setting["n_neighbors"]), float(setting["similarity_threshold"]))
        yield _components(edges[:, 0], edges[:, 1], points.n)


def chinese_whispers(points: PointSet, settings: Sequence[Setting], seed: int) -> Iterator[NDArray[np.int64]]:
    """Label propagation by weighted majority (Biemann, TextGraphs 2006) on the thresholded kNN graph."""
    for setting in settings:
        edges, weights = points.edges(int(setting["n_neighbors"]), float(setting["similarity_threshold"]))
        upper = sp.coo_array((weights, (edges[:, 0], edges[:, 1])), shape=(points.n, points.n))
        graph = (upper + upper.T).tocsr()
        rng = np.random.default_rng(seed)
        labels = np.arange(points.n)
        for _ in range(_WHISPER_ROUNDS):
            if not _whisper(graph.indptr, graph.indices, graph.data, labels, rng.permutation(points.n)):
                break
        yield labels


def finch(points: PointSet, settings: Sequence[Setting], seed: int) -> Iterator[NDArray[np.int64]]:
    """First-neighbour clustering (Sarfraz, Sharma, Stiefelhagen, CVPR 2019); ``partition`` 0 is the finest.

    Asked for a coarser partition than there is, it gives the coarsest.
    """
    partitions = list(_finch_partitions(points))
    for setting in settings:
        yield partitions[min(int(setting["partition"]), len(partitions) - 1)]


def _finch_partitions(points: PointSet) -> Iterator[NDArray[np.int64]]:
    """Link every cluster to the nearest other one, merge what is linked, go on with the clusters' means.

    The paper also links clusters that share a first neighbour; components imply that.
    """
    labels, nearest = np.arange(points.n), points.neighbors[:, 0]
    while True:
        group = _components(np.arange(len(nearest)), nearest, len(nearest))
        labels = group[labels]
        yield labels
        n_clusters = int(group.max()) + 1
        if n_clusters == 1:
            return
        members = sp.csr_array((np.ones(points.n, np.float32), (labels, np.arange(points.n))))
        means = members @ points.embeddings
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        nearest = nearest_neighbors(means, 1)[0][:, 0]


def _components(left: NDArray[np.int64], right: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    graph = sp.coo_array((np.ones(len(left), bool), (left, right)), shape=(n, n))
    return scipy_components(graph, directed=False)[1].astype(np.int64)


@njit(cache=True)
def _whisper(
    starts: NDArray[np.int32],
    neighbors: NDArray[np.int32],
    weights: NDArray[np.float32],
    labels: NDArray[np.int64],
    order: NDArray[np.int64],
) -> bool:
    """Let every point in turn take the label with most weight around it, in place; True where any changed."""
    votes = np.zeros(len(labels))
    changed = False
    for i in order:
        best, winner = 0.0, labels[i]
        for e in range(starts[i], starts[i + 1]):
            votes[labels[neighbors[e]]] += weights[e]
        for e in range(starts[i], starts[i + 1]):
            label = labels[neighbors[e]]
            if votes[label] > best:
                best, winner = votes[label], label
        for e in range(starts[i], starts[i + 1]):
            votes[labels[neighbors[e]]] = 0.0
        if winner != labels[i]:
            labels[i] = winner
            changed = True
    return changed
