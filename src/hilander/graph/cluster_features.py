"""Cluster features: embeddings moved towards their likely class mates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.row_sums import add_rows
from hilander.graph.threads import by_threads
from hilander.paged_arrays import empty_array, let_go, rows_near

LEAST_LINKAGE = 0.1  # weaker ties do not enter a cluster feature
SMOOTHING_STEPS = 2
_ROWS_PER_BLOCK = 1 << 13
_ROWS_PER_WINDOW = 1 << 16  # whose features are held where only their sums are asked for


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
    _move(before, starts, mates, weights, rows.start, 0, moved)
    return moved


def sum_over_clusters(
    embeddings: NDArray[np.float32], edges: NDArray[np.int64], linkage: NDArray[np.float32], members: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the sums of the embeddings, and of their `cluster_features`, over the items of each cluster, (C, d).

    The features themselves are not all held at once.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
    edges, linkage : ndarray of shape (m, 2) and (m,)
    members : ndarray of shape (n,), int64
        Cluster of each item, 0..C-1.
    """
    n, d = embeddings.shape
    sums = np.zeros((2, int(members.max()) + 1, d), np.float32)
    starts, mates, weights = _ties(edges, linkage, n)
    before = embeddings
    for _ in range(SMOOTHING_STEPS - 1):
        before = move_rows(before, starts, mates, weights, slice(0, n))
    moved = np.empty((min(n, _ROWS_PER_WINDOW), d), np.float32)
    for start in range(0, n, _ROWS_PER_WINDOW):
        rows = slice(start, start + _ROWS_PER_WINDOW)
        window = moved[: len(members[rows])]
        _move(before, starts, mates, weights, start, start, window)
        add_rows(embeddings[rows], members[rows], sums[0])
        add_rows(window, members[rows], sums[1])
        let_go(embeddings)
    return sums[0], sums[1]


def _move(
    before: NDArray[np.float32],
    starts: NDArray[np.int64],
    mates: NDArray[np.integer],
    weights: NDArray[np.float32],
    first_row: int,
    first_start: int,
    moved: NDArray[np.float32],
) -> None:
    """Fill in `moved` for the rows from `first_row` on, whose ties begin at `starts` from `first_start` on."""

    def move(block: slice) -> None:
        first, last = first_row + block.start, first_row + block.stop
        _move_block(before, before[first:last], starts[first_start + block.start :], mates, weights, moved[block])
        let_go(before, but=rows_near(first, last))
        let_go(moved)

    by_threads(move, len(moved), _ROWS_PER_BLOCK)


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


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def _move_block(before, own, starts, mates, weights, moved):
    d = moved.shape[1]
    for row in range(len(moved)):
        features = moved[row]
        for c in range(d):
            features[c] = own[row, c]
        for t in range(starts[row], starts[row + 1]):
            mate, p = before[mates[t]], weights[t]
            for c in range(d):
                features[c] += p * mate[c]
        square = np.float32(0)
        for c in range(d):
            square += features[c] * features[c]
        scale = np.float32(1) / max(np.sqrt(square), np.float32(1e-12))
        for c in range(d):
            features[c] *= scale
