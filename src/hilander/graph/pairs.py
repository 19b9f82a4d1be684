"""Neighbour lists to undirected edges."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.threads import by_threads
from hilander.paged_arrays import empty_array, let_go

N_CANDIDATES = 20  # nearest neighbours that become edges
_ROWS_PER_BLOCK = 1 << 14  # nodes that one thread works on


def undirected_edges(*neighbors: NDArray[np.int64], n_candidates: int = N_CANDIDATES) -> NDArray[np.int64]:
    """Return the pairs of which one is among the other's nearest neighbours.

    Parameters
    ----------
    *neighbors : ndarray of shape (n, k), int64
        Nearest neighbours, nearest first, the node itself excluded; of several such lists any will do.
    n_candidates : int
        How many of the k columns make edges.

    Returns
    -------
    ndarray of shape (m, 2), int64
        Each pair once, ``edges[:, 0] < edges[:, 1]``, sorted.
    """
    n_nodes = len(neighbors[0])
    starts = np.zeros(n_nodes + 1, np.int64)
    for candidates in neighbors:
        _count_pairs(candidates[:, :n_candidates], starts)
        let_go(candidates)
    np.cumsum(starts, out=starts)
    higher, free = np.empty(starts[-1], np.int32), starts[:-1].copy()
    for candidates in neighbors:
        _sort_by_lower(candidates[:, :n_candidates], free, higher)
        let_go(candidates)
    counts = np.zeros(len(starts), np.int64)
    by_threads(lambda rows: _sort_unique(rows.start, rows.stop, starts, higher, counts), n_nodes, _ROWS_PER_BLOCK)
    np.cumsum(counts, out=counts)
    edges = empty_array((int(counts[-1]), 2), np.int64)
    by_threads(
        lambda rows: _write_pairs(rows.start, rows.stop, starts, higher, counts, edges), n_nodes, _ROWS_PER_BLOCK
    )
    return edges


def sorted_pairs(first: NDArray[np.int64], second: NDArray[np.int64], n_nodes: int) -> NDArray[np.int64]:
    """Return the unique pairs {first, second} as rows i < j in ascending order, without loops."""
    keys = np.minimum(first, second) * n_nodes + np.maximum(first, second)
    keys = np.sort(keys[first != second])
    keys = keys[np.diff(keys, prepend=-1) > 0]  # ten times quicker than np.unique, which hashes
    return np.stack([keys // n_nodes, keys % n_nodes], axis=1)


@njit(cache=True)
def _count_pairs(neighbors, counts):
    """Count at i + 1 the pairs of which i is the lower node."""
    for i in range(len(neighbors)):
        for j in neighbors[i]:
            if i != j:
                counts[min(i, j) + 1] += 1


@njit(cache=True)
def _sort_by_lower(neighbors, free, higher):
    """Write the higher node of each pair into the places of the lower one, of which `free` is the first."""
    for i in range(len(neighbors)):
        for j in neighbors[i]:
            if i != j:
                lower = min(i, j)
                higher[free[lower]] = max(i, j)
                free[lower] += 1


@njit(cache=True, nogil=True)
def _sort_unique(first, last, starts, higher, counts):
    """Sort each node's places, each value once, and count the values at i + 1."""
    for i in range(first, last):
        places = higher[starts[i] : starts[i + 1]]
        places.sort()
        count = 0
        for value in places:
            if count == 0 or value != places[count - 1]:
                places[count] = value
                count += 1
        counts[i + 1] = count


@njit(cache=True, nogil=True)
def _write_pairs(first, last, starts, higher, ends, edges):
    for i in range(first, last):
        for p in range(ends[i + 1] - ends[i]):
            edges[ends[i] + p, 0], edges[ends[i] + p, 1] = i, higher[starts[i] + p]
