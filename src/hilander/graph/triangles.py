"""Triangles of an undirected graph: listed as triples of edges, or summed over without a list."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.paged_arrays import let_go

_EDGES_PER_RANGE = 1 << 20  # after which pages that lie in a file are let go


def triangles(edges: NDArray[np.int64], n_nodes: int) -> NDArray[np.int32]:
    """List every triangle i < j < m once.

    Parameters
    ----------
    edges : ndarray of shape (m, 2), int64
        Each pair once, ``edges[:, 0] < edges[:, 1]``, sorted.
    n_nodes : int
        Number of nodes.

    Returns
    -------
    ndarray of shape (t, 3), int32
        Row numbers in `edges` of the three sides (i, j), (i, m), (j, m).
    """
    starts = np.searchsorted(edges[:, 0], np.arange(n_nodes + 1))
    edge_at = np.full(n_nodes, -1, np.int32)
    count = _list_triangles(edges, starts, edge_at, np.empty((0, 3), np.int32))
    found = np.empty((count, 3), np.int32)
    _list_triangles(edges, starts, edge_at, found)
    return found


def sum_over_triangles(values: NDArray[np.float32], edges: NDArray[np.int64], n_nodes: int) -> NDArray[np.float32]:
    """For each edge, sum over its triangles the product of the two other sides, as they are found.

    Formula: out_ij = Σ_m values_im · values_mj over the common neighbours m of i and j.

    Parameters
    ----------
    values : ndarray of shape (m, c), float32
    edges, n_nodes
        As in `triangles`.

    Returns
    -------
    ndarray of shape (m, c), float32
    """
    starts = np.searchsorted(edges[:, 0], np.arange(n_nodes + 1))
    sums = np.zeros_like(values)
    edge_at = np.full(n_nodes, -1, np.int32)
    bounds = np.searchsorted(starts, np.arange(0, len(edges) + _EDGES_PER_RANGE, _EDGES_PER_RANGE))
    for first, last in pairwise(np.minimum(bounds, n_nodes).tolist()):
        _sum_over_triangles(values, edges, starts, first, last, edge_at, sums)
        let_go(edges)
    return sums


@njit(cache=True, fastmath=True)
def _sum_over_triangles(values, edges, starts, first, last, edge_at, sums):
    """Add to `sums` (m, c) for the lowest nodes from `first` to `last`; `edge_at` comes and goes filled with -1."""
    for i in range(first, last):
        for e in range(starts[i], starts[i + 1]):
            edge_at[edges[e, 1]] = e
        for e in range(starts[i], starts[i + 1]):
            j = edges[e, 1]
            for f in range(starts[j], starts[j + 1]):
                opposite = edge_at[edges[f, 1]]
                if opposite >= 0:
                    for c in range(values.shape[1]):
                        x, y, z = values[e, c], values[opposite, c], values[f, c]
                        sums[e, c] += y * z
                        sums[opposite, c] += x * z
                        sums[f, c] += x * y
        for e in range(starts[i], starts[i + 1]):
            edge_at[edges[e, 1]] = -1


@njit(cache=True)
def _list_triangles(edges, starts, edge_at, found):
    """Count the triangles, writing them where `found` has room; `edge_at` comes and goes filled with -1."""
    count = 0
    for i in range(len(starts) - 1):
        for e in range(starts[i], starts[i + 1]):
            edge_at[edges[e, 1]] = e
        for e in range(starts[i], starts[i + 1]):
            j = edges[e, 1]
            for f in range(starts[j], starts[j + 1]):
                opposite = edge_at[edges[f, 1]]
                if opposite >= 0:
                    if len(found) > 0:
                        found[count, 0] = e
                        found[count, 1] = opposite
                        found[count, 2] = f
                    count += 1
        for e in range(starts[i], starts[i + 1]):
            edge_at[edges[e, 1]] = -1
    return count
