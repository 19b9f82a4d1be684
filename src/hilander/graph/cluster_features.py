"""Cluster features: embeddings moved towards their likely class mates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.threads import by_threads
from hilander.paged_arrays import empty_array, let_go

LEAST_LINKAGE = 0.1  # weaker ties do not enter a cluster feature
SMOOTHING_STEPS = 2
_ROWS_PER_BLOCK = 1 << 14


def cluster_features(
    embeddings: NDArray[np.float32], edges: NDArray[np.int64], linkage: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Move each embedding towards its likely class mates: twice, x ← normalise(x + Σ_j p_ij x_j) over p_ij > .1.

    Returns
    -------
    ndarray of shape (n, d), float32
        Rows of norm 1.
    """
    *_, features = cluster_feature_steps(embeddings, edges, linkage)
    return features


def cluster_feature_steps(
    embeddings: NDArray[np.float32], edges: NDArray[np.int64], linkage: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """Yield the embeddings and what each step of `cluster_features` makes of them."""
    features = embeddings
    yield features
    starts, mates, weights = _ties(edges, linkage, len(embeddings))
    for _ in range(SMOOTHING_STEPS):
        features = move_rows(features, starts, mates, weights, slice(0, len(features)))
        yield features


def moved(features: NDArray[np.float32], by: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the normalised sum, (n, d)."""
    features = features + by
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return features


def move_rows(
    before: NDArray[np.float32],
    starts: NDArray[np.int64],
    mates: NDArray[np.integer],
    weights: NDArray[np.float32],
    rows: slice,
) -> NDArray[np.float32]:
    """Return some rows of ``normalise(x_i + Σ_j w_ij x_j)``, (rows, d).

    Parameters
    ----------
    before : ndarray of shape (n, d), float32
    starts : ndarray of shape (rows + 1,), int64
        The mates of the p-th of `rows` are ``mates[starts[p]:starts[p + 1]]``, ascending.
    mates, weights : ndarray of shape (t,), integers and float32
    rows : slice
    """
    moved = empty_array(before[rows].shape)

    def move(block: slice) -> None:
        moved[block] = before[rows][block]
        _gather_mates(before, starts, mates, weights, block.start, block.stop, moved)
        _normalize(moved[block])
        let_go(before)
        let_go(moved)

    by_threads(move, len(moved), _ROWS_PER_BLOCK)
    return moved


def _ties(
    edges: NDArray[np.int64], linkage: NDArray[np.float32], n_nodes: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Mates of each node in ascending order, as `move_rows` takes them."""
    starts = np.zeros(n_nodes + 1, np.int64)
    _count_mates(edges, linkage, LEAST_LINKAGE, starts)
    np.cumsum(starts, out=starts)
    mates, weights = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    _write_mates(edges, linkage, LEAST_LINKAGE, starts[:-1].copy(), mates, weights)
    return starts, mates, weights


@njit(cache=True)
def _count_mates(edges, linkage, least, counts):
    """Count at i + 1 the ties of i."""
    for e in range(len(edges)):
        if linkage[e] > least:
            counts[edges[e, 0] + 1] += 1
            counts[edges[e, 1] + 1] += 1


@njit(cache=True)
def _write_mates(edges, linkage, least, free, mates, weights):
    """Write the ties of each node into its places, of which `free` is the first; sorted edges make them ascend."""
    for e in range(len(edges)):
        if linkage[e] > least:
            for end in range(2):
                i, j = edges[e, end], edges[e, 1 - end]
                mates[free[i]], weights[free[i]] = j, linkage[e]
                free[i] += 1


@njit(cache=True, fastmath=True, nogil=True)
def _gather_mates(before, starts, mates, weights, first, last, moved):
    for row in range(first, last):
        for t in range(starts[row], starts[row + 1]):
            j, p = mates[t], weights[t]
            for c in range(before.shape[1]):
                moved[row, c] += p * before[j, c]


@njit(cache=True, fastmath=True, nogil=True)
def _normalize(features):
    for row in features:
        square = np.float32(0)
        for c in range(len(row)):
            square += row[c] * row[c]
        scale = np.float32(1) / max(np.sqrt(square), np.float32(1e-12))
        for c in range(len(row)):
            row[c] *= scale
