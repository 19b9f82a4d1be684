"""Cluster features: embeddings moved towards their likely class mates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

LEAST_LINKAGE = 0.1  # weaker ties do not enter a cluster feature
_SMOOTHING_STEPS = 2
_COLUMNS_PER_BLOCK = 64


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
    for _ in range(_SMOOTHING_STEPS):
        _move(features, edges, linkage, LEAST_LINKAGE)
    return features


def cluster_feature_steps(
    embeddings: NDArray[np.float32], edges: NDArray[np.int64], linkage: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """Yield the embeddings and what each step of `cluster_features` makes of them."""
    features = embeddings
    yield features
    for _ in range(_SMOOTHING_STEPS):
        features = features.copy()
        _move(features, edges, linkage, LEAST_LINKAGE)
        yield features


def moved(features: NDArray[np.float32], by: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the normalised sum, (n, d)."""
    features = features + by
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return features


@njit(cache=True, parallel=True, fastmath=True)
def _move(features, edges, linkage, least):
    """One step of `cluster_features`, in place: a few columns at a time are kept as they were."""
    n, d = features.shape
    n_blocks = -(-d // _COLUMNS_PER_BLOCK)
    for block in prange(n_blocks):
        first = block * _COLUMNS_PER_BLOCK
        width = min(_COLUMNS_PER_BLOCK, d - first)
        before = features[:, first : first + width].copy()
        for e in range(len(edges)):
            if linkage[e] > least:
                i, j, p = edges[e, 0], edges[e, 1], linkage[e]
                for c in range(width):
                    features[i, first + c] += p * before[j, c]
                    features[j, first + c] += p * before[i, c]
    for i in prange(n):
        square = np.float32(0)
        for c in range(d):
            square += features[i, c] * features[i, c]
        scale = np.float32(1) / max(np.sqrt(square), np.float32(1e-12))
        for c in range(d):
            features[i, c] *= scale
