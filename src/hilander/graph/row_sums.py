"""Sums of rows by the cluster that each belongs to."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.threads import by_threads


def add_rows(features: NDArray[np.float32], members: NDArray[np.int64], sums: NDArray[np.float32]) -> None:
    """Add rows to the sums of their clusters, one after the other whatever the number of threads.

    Parameters
    ----------
    features : ndarray of shape (n, d), float32
    members : ndarray of shape (n,), int64
        Cluster of each row.
    sums : ndarray of shape (C, d), float32
        Changed in place.
    """

    def add(columns: slice) -> None:
        _add_columns(features, members, columns.start, columns.stop, sums)

    width = features.shape[1]
    by_threads(add, width, -(-width // 2))  # two threads may not write the same row, so they part the columns


@njit(cache=True, nogil=True)
def _add_columns(features, members, first, last, sums):
    for row in range(len(features)):
        total, own = sums[members[row], first:last], features[row, first:last]
        for c in range(last - first):
            total[c] += own[c]
