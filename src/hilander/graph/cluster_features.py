"""Cluster features: embeddings moved towards their likely class mates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.threads import by_threads

LEAST_LINKAGE = 0.1  # weaker ties do not enter a cluster feature
SMOOTHING_STEPS = 2
_COLUMNS_PER_BLOCK = 64
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
    features = embeddings.copy()
    for _ in range(SMOOTHING_STEPS):
        _move(features, edges, linkage)
    return features


def cluster_feature_steps(
    embeddings: NDArray[np.float32], edges: NDArray[np.int64], linkage: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """Yield the embeddings and what each step of `cluster_features` makes of them."""
    features = embeddings
    yield features
    for _ in range(SMOOTHING_STEPS):
        features = features.copy()
        _move(features, edges, linkage)
        yield features


def moved(features: NDArray[np.float32], by: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the normalised sum, (n, d)."""
    features = features + by
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return features


def _move(features: NDArray[np.float32], edges: NDArray[np.int64], linkage: NDArray[np.float32]) -> None:
    """One step of `cluster_features`, in place: a few columns at a time are kept as they were."""

    def add(columns: slice) -> None:
        _add_mates(features[:, columns].copy(), edges, linkage, LEAST_LINKAGE, features[:, columns])

    by_threads(add, features.shape[1], _COLUMNS_PER_BLOCK)
    by_threads(lambda rows: _normalize(features[rows]), len(features), _ROWS_PER_BLOCK)


@njit(cache=True, fastmath=True, nogil=True)
def _add_mates(before, edges, linkage, least, features):
    for e in range(len(edges)):
        if linkage[e] > least:
            i, j, p = edges[e, 0], edges[e, 1], linkage[e]
            for c in range(before.shape[1]):
                features[i, c] += p * before[j, c]
                features[j, c] += p * before[i, c]


@njit(cache=True, fastmath=True, nogil=True)
def _normalize(features):
    for row in features:
        square = np.float32(0)
        for c in range(len(row)):
            square += row[c] * row[c]
        scale = np.float32(1) / max(np.sqrt(square), np.float32(1e-12))
        for c in range(len(row)):
            row[c] *= scale


def move_rows(
    before: NDArray[np.float32],
    starts: NDArray[np.int64],
    mates: NDArray[np.int64],
    weights: NDArray[np.float32],
    rows: slice,
) -> NDArray[np.float32]:
    """Return some rows of ``normalise(x_i + Σ_j w_ij x_j)``, (rows, d).

    Parameters
    ----------
    before : ndarray of shape (n, d), float32
    starts : ndarray of shape (rows + 1,), int64
        The mates of the p-th of `rows` are ``mates[starts[p]:starts[p + 1]]``, ascending.
    mates, weights : ndarray of shape (t,), int64 and float32
    rows : slice
    """
    moved = before[rows].copy()
    by_threads(
        lambda block: _gather_mates(before, starts, mates, weights, block.start, block.stop, moved),
        len(moved),
        _ROWS_PER_BLOCK,
    )
    by_threads(lambda block: _normalize(moved[block]), len(moved), _ROWS_PER_BLOCK)
    return moved


@njit(cache=True, fastmath=True, nogil=True)
def _gather_mates(before, starts, mates, weights, first, last, moved):
    for row in range(first, last):
        for t in range(starts[row], starts[row + 1]):
            j, p = mates[t], weights[t]
            for c in range(before.shape[1]):
                moved[row, c] += p * before[j, c]
