"""Spherical k-means, by products of codes where the processor multiplies these."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.graph.quantization import approximate_products, quantize
from hilander.graph.row_sums import add_rows
from hilander.graph.threads import by_threads

_ROWS_PER_BLOCK = 1 << 10


def spherical_kmeans(
    rows: NDArray[np.float32], n_centroids: int, *, n_rounds: int, random_state: int
) -> NDArray[np.float32]:
    """Return the centroids (n_centroids, d), of norm 1, that some rounds of Lloyd's algorithm come to from random rows.

    A centroid that no row is nearest to stays where it is. The number of threads changes nothing.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
        L2-normalised, n >= n_centroids.
    n_centroids, n_rounds : int
    random_state : int
        Seed of the rows to begin with.
    """
    chosen = np.random.default_rng(random_state).choice(len(rows), n_centroids, replace=False)
    centroids = rows[np.sort(chosen)]
    for _ in range(n_rounds):
        sums = np.zeros_like(centroids)
        add_rows(rows, nearest_centroid(rows, centroids), sums)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centroids = np.where(norms > 0, sums / np.maximum(norms, 1e-12), centroids)
    return centroids


def nearest_centroid(rows: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the number (n,) of each row's most similar centroid, to about a thousandth of similarity."""
    nearest, quantized = np.empty(len(rows), np.int64), quantize(centroids)

    def find(block: slice) -> None:
        nearest[block] = approximate_products(quantize(rows[block]), quantized).argmax(axis=1)

    by_threads(find, len(rows), _ROWS_PER_BLOCK, multiplies=True)
    return nearest
