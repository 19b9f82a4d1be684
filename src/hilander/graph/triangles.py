"""Triangles of an undirected graph: listed as triples of edges, or summed over without a list."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.threads import Spares, by_threads
from hilander.paged_arrays import let_go

_EDGES_PER_RANGE = 1 << 20  # that one thread works on, about; then pages that lie in a file are let go
_MOST_IN_32_BITS = np.iinfo(np.int32).max  # edges whose numbers take half the room
_USUAL_CHANNELS = 5  # of RelationalLander: for a number that the compiler knows, sums take half the time


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

    Raises
    ------
    ValueError
        The graph has more than 2³¹ − 1 edges.
    """
    if len(edges) > _MOST_IN_32_BITS:
        raise ValueError(f"triangles of at most {_MOST_IN_32_BITS:,} edges can be listed, got {len(edges):,}")
    starts = _first_edges(edges, n_nodes)
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
    starts = _first_edges(edges, n_nodes)
    sums = np.zeros_like(values)
    bounds = np.searchsorted(starts, np.arange(0, len(edges) + _EDGES_PER_RANGE, _EDGES_PER_RANGE))
    bounds = np.minimum(bounds, n_nodes)
    places = Spares(lambda: np.full(n_nodes, -1, _number_dtype(len(edges))))

    def add(ranges: slice) -> None:
        edge_at = places.take()
        _sum_over_triangles(values, edges, starts, bounds[ranges.start], bounds[ranges.stop], edge_at, sums)
        places.give_back(edge_at)
        let_go(edges)

    by_threads(add, len(bounds) - 1, 1)
    return sums


def _number_dtype(n_edges: int) -> type[np.int32] | type[np.int64]:
    """Of edge numbers up to `n_edges`."""
    return np.int32 if n_edges <= _MOST_IN_32_BITS else np.int64


def _first_edges(edges: NDArray[np.int64], n_nodes: int) -> NDArray[np.int64]:
    """Row of the first edge of which each node is the lower one (n + 1,)."""
    starts = np.zeros(n_nodes + 1, np.int64)
    _count_edges(edges, starts)
    return np.cumsum(starts, out=starts)


@njit(cache=True, nogil=True)
def _count_edges(edges, counts):
    """Count at i + 1 the edges of which i is the lower node."""
    for e in range(len(edges)):
        counts[edges[e, 0] + 1] += 1


@njit(cache=True, fastmath=True, nogil=True)
def _sum_over_triangles(values, edges, starts, first, last, edge_at, sums):
    """Add to the `sums` (m, c) of the edges whose lower node lies from `first` to `last`, and to no other's.

    An edge's triangles come by their lowest node, also those of lower nodes than `first`: so each sum adds up in one
    order whatever the ranges are. `edge_at` comes and goes filled with -1.
    """
    found = np.empty((1024, 2), np.int64)  # the two other edges of triangles with one
    end = starts[last]
    for i in range(last):
        if starts[i] == starts[i + 1] or (i < first and edges[starts[i + 1] - 1, 1] < first):
            continue
        for e in range(starts[i], starts[i + 1]):
            edge_at[edges[e, 1]] = e
        for e in range(starts[i], starts[i + 1]):
            j = edges[e, 1]
            if i < first and not first <= j < last:
                continue
            if starts[j + 1] - starts[j] > len(found):
                found = np.empty((2 * (starts[j + 1] - starts[j]), 2), np.int64)
            n_found = 0
            for f in range(starts[j], starts[j + 1]):  # without a branch, which no processor could foretell
                opposite = edge_at[edges[f, 1]]
                found[n_found, 0], found[n_found, 1] = opposite, f
                n_found += opposite >= 0
            for t in range(n_found):
                opposite, f = found[t, 0], found[t, 1]
                if first <= i and f < end:
                    _add_to_all(values, e, opposite, f, sums)
                elif first <= i:
                    _add_to_two(values, e, opposite, f, sums)
                else:
                    _add_to_one(values, e, opposite, f, sums)
        for e in range(starts[i], starts[i + 1]):
            edge_at[edges[e, 1]] = -1


@njit(fastmath=True, inline="always")
def _add_to_all(values, e, opposite, f, sums):
    if values.shape[1] == _USUAL_CHANNELS:
        for c in range(_USUAL_CHANNELS):
            x, y, z = values[e, c], values[opposite, c], values[f, c]
            sums[e, c] += y * z
            sums[opposite, c] += x * z
            sums[f, c] += x * y
    else:
        for c in range(values.shape[1]):
            x, y, z = values[e, c], values[opposite, c], values[f, c]
            sums[e, c] += y * z
            sums[opposite, c] += x * z
            sums[f, c] += x * y


@njit(fastmath=True, inline="always")
def _add_to_two(values, e, opposite, f, sums):
    for c in range(values.shape[1]):
        x, y, z = values[e, c], values[opposite, c], values[f, c]
        sums[e, c] += y * z
        sums[opposite, c] += x * z


@njit(fastmath=True, inline="always")
def _add_to_one(values, e, opposite, f, sums):
    for c in range(values.shape[1]):
        sums[f, c] += values[e, c] * values[opposite, c]


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
