"""Undirected neighbour graph and the relational features of its edges, which carry over to classes never seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

N_CANDIDATES = 20  # nearest neighbours that become edges
N_CONTEXT = 40  # nearest neighbours that describe the neighbourhood of a node

FEATURE_NAMES = (
    "similarity",
    "log_rank_min",
    "log_rank_max",
    "shared_5",
    "shared_10",
    "shared_20",
    "shared_40",
    "adamic_adar",
    "similarity_1_min",
    "similarity_1_max",
    "similarity_5_min",
    "similarity_5_max",
    "similarity_10_min",
    "similarity_10_max",
    "similarity_40_min",
    "similarity_40_max",
    "log_in_degree_min",
    "log_in_degree_max",
    "zscore_min",
    "zscore_max",
    "above_neighborhood",
    "below_nearest_min",
    "below_nearest_max",
    "smoothed_4",
    "half_smoothed_4_min",
    "half_smoothed_4_max",
    "smoothed_10",
    "half_smoothed_10_min",
    "half_smoothed_10_max",
)

_SHARED_SIZES = (5, 10, 20, 40)
_SMOOTHING_SIZES = (4, 10)
_SMOOTHING_POWER = 3.0
_UNRANKED = 60.0  # rank given to an end that the other one's list of 40 does not hold
_EDGES_PER_CHUNK = 1 << 13
_N_BLOCKS = 64  # ranges of nodes that run in parallel, each with its own scratch row


def undirected_edges(neighbors: NDArray[np.int64], n_candidates: int = N_CANDIDATES) -> NDArray[np.int64]:
    """Return the pairs of which one is among the other's nearest neighbours.

    Parameters
    ----------
    neighbors : ndarray of shape (n, k), int64
        Nearest neighbours, nearest first, the node itself excluded.
    n_candidates : int
        How many of the k columns make edges.

    Returns
    -------
    ndarray of shape (m, 2), int64
        Each pair once, ``edges[:, 0] < edges[:, 1]``, sorted.
    """
    n = len(neighbors)
    nearest = neighbors[:, :n_candidates]
    source = np.repeat(np.arange(n, dtype=np.int64), nearest.shape[1])
    return sorted_pairs(source, nearest.ravel(), n)


def sorted_pairs(first: NDArray[np.int64], second: NDArray[np.int64], n_nodes: int) -> NDArray[np.int64]:
    """Return the unique pairs {first, second} as rows i < j in ascending order, without loops."""
    keys = np.minimum(first, second) * n_nodes + np.maximum(first, second)
    keys = np.sort(keys[first != second])
    keys = keys[np.diff(keys, prepend=-1) > 0]  # ten times quicker than np.unique, which hashes
    return np.stack([keys // n_nodes, keys % n_nodes], axis=1)


def relational_features(
    embeddings: NDArray[np.float32],
    neighbors: NDArray[np.int64],
    similarities: NDArray[np.float32],
    edges: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Describe each edge by how its ends stand to each other and to their neighbourhoods.

    No coordinate of an embedding enters, so what is learned from these features depends neither on the embedding's
    width nor on the classes: similarity; ranks in either list; neighbours shared among the 5, 10, 20 and 40 nearest
    and their Adamic-Adar index; each end's mean similarity to its 1, 5, 10 and 40 nearest and its in-degree; the
    similarity relative to those; cosines of embeddings smoothed over 4 and 10 neighbours. Properties of one end
    come as (min, max) over both, so every feature is symmetric.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1.
    neighbors : ndarray of shape (n, k), int64
        Nearest neighbours, nearest first, the node itself excluded; k = 40 where n allows.
    similarities : ndarray of shape (n, k), float32
        Cosine similarity to each of them.
    edges : ndarray of shape (m, 2), int64
        Pairs to describe, sorted by their first node.

    Returns
    -------
    ndarray of shape (m, 29), float32
        Columns in the order of `FEATURE_NAMES`.
    """
    n, k = neighbors.shape
    in_degree = np.bincount(neighbors[:, :N_CANDIDATES].ravel(), minlength=n)
    sizes = np.array(_SHARED_SIZES)
    ranks, shared = _ranks_and_shared(
        neighbors,
        edges,
        np.searchsorted(edges[:, 0], np.linspace(0, n, _N_BLOCKS + 1).astype(np.int64)),
        sizes,
        1.0 / np.log(2.0 + in_degree),
        min(k, N_CANDIDATES),
    )
    shared[:, : len(sizes)] /= np.minimum(sizes, k)
    log_in_degree = np.log1p(in_degree)
    local_mean = {size: similarities[:, :size].mean(axis=1) for size in (1, 5, 10, N_CONTEXT)}
    spread = similarities.std(axis=1) + 1e-3
    features = np.empty((len(edges), len(FEATURE_NAMES)), np.float32)

    def fill(position: int, columns_of: Callable[[slice], list[NDArray]]) -> int:
        """Write columns from `position` on, in chunks of edges that stay in the cache."""
        for start in range(0, len(edges), _EDGES_PER_CHUNK):
            rows = slice(start, start + _EDGES_PER_CHUNK)
            columns = columns_of(rows)
            for offset, column in enumerate(columns):
                features[rows, position + offset] = column
        return position + len(columns) if len(edges) else position

    def of_neighborhoods(rows: slice) -> list[NDArray]:
        i, j = edges[rows].T
        similarity = _dot(embeddings, embeddings, edges[rows])
        nearer, farther = _min_max(*ranks[rows].T)
        columns = [similarity, np.log(nearer), np.log(farther), *shared[rows].T]
        for per_node in (*local_mean.values(), log_in_degree):
            columns += _min_max(per_node[i], per_node[j])
        above = {size: (similarity - mean[i], similarity - mean[j]) for size, mean in local_mean.items()}
        columns += _min_max(above[N_CONTEXT][0] / spread[i], above[N_CONTEXT][1] / spread[j])
        columns.append(similarity - (local_mean[10][i] + local_mean[10][j]) / 2)
        return columns + _min_max(*above[1])

    position = fill(0, of_neighborhoods)
    for size in _SMOOTHING_SIZES:
        weights = np.clip(similarities[:, :size], 0, 1) ** _SMOOTHING_POWER
        smoothed = _smooth(embeddings, neighbors, weights)

        def of_smoothed(rows: slice, smoothed: NDArray = smoothed) -> list[NDArray]:
            pairs = edges[rows]
            half = _min_max(_dot(embeddings, smoothed, pairs), _dot(smoothed, embeddings, pairs))
            return [_dot(smoothed, smoothed, pairs), *half]

        position = fill(position, of_smoothed)
    return features


def _min_max(first: NDArray, second: NDArray) -> list[NDArray]:
    return [np.minimum(first, second), np.maximum(first, second)]


@njit(cache=True, parallel=True)
def _ranks_and_shared(neighbors, edges, block_starts, sizes, weights, n_weighted):
    """Rank of each end in the other's list (m, 2), neighbours shared at each size and weighted sum (m, sizes + 1)."""
    n, k = neighbors.shape
    ranks = np.full((len(edges), 2), _UNRANKED, np.float32)
    shared = np.zeros((len(edges), len(sizes) + 1), np.float32)
    for block in prange(len(block_starts) - 1):
        start, stop = block_starts[block], block_starts[block + 1]
        if start == stop:
            continue
        position = np.full(n, k, np.int32)  # rank of every node in the list of the current first end, k = not there
        current = -1
        for e in range(start, stop):
            i, j = edges[e, 0], edges[e, 1]
            if i != current:
                if current >= 0:
                    for q in range(k):
                        position[neighbors[current, q]] = k
                for q in range(k):
                    position[neighbors[i, q]] = q
                current = i
            if position[j] < k:
                ranks[e, 0] = position[j] + 1
            for q in range(k):
                neighbor = neighbors[j, q]
                if neighbor == i:
                    ranks[e, 1] = q + 1
                p = position[neighbor]
                if p < k:
                    worse = max(p, q)
                    for s in range(len(sizes)):
                        if worse < sizes[s]:
                            shared[e, s] += 1
                    if worse < n_weighted:
                        shared[e, len(sizes)] += weights[neighbor]
    return ranks, shared


@njit(cache=True, parallel=True, fastmath=True)
def _dot(first, second, edges):
    """Row product first[i] · second[j] of every edge (i, j)."""
    product = np.empty(len(edges), np.float32)
    for e in prange(len(edges)):
        i, j = edges[e, 0], edges[e, 1]
        total = np.float32(0)
        for c in range(first.shape[1]):
            total += first[i, c] * second[j, c]
        product[e] = total
    return product


@njit(cache=True, parallel=True, fastmath=True)
def _smooth(embeddings, neighbors, weights):
    """Normalised sum of each embedding and its weighted neighbours."""
    n, d = embeddings.shape
    smoothed = np.empty((n, d), np.float32)
    for i in prange(n):
        for c in range(d):
            smoothed[i, c] = embeddings[i, c]
        for q in range(weights.shape[1]):
            j, weight = neighbors[i, q], weights[i, q]
            for c in range(d):
                smoothed[i, c] += weight * embeddings[j, c]
        norm = np.float32(0)
        for c in range(d):
            norm += smoothed[i, c] * smoothed[i, c]
        norm = max(np.sqrt(norm), np.float32(1e-12))
        for c in range(d):
            smoothed[i, c] /= norm
    return smoothed
