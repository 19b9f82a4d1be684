"""What the links between items say of clusters of them, and of pairs of clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True)
class Evidence:
    """Sums over the links between the items of C clusters.

    Attributes
    ----------
    pairs : ndarray of shape (p,), int64
        ``low · C + high`` of each pair of clusters that an edge joins, ascending.
    total, count, largest : ndarray of shape (p,), float64
        Sum, number and largest of the linkages between their items.
    within : ndarray of shape (C,), float64
        Sum of the linkages inside each cluster.
    sizes : ndarray of shape (C,), int64
        Items of each cluster.
    """

    pairs: NDArray[np.int64]
    total: NDArray[np.float64]
    count: NDArray[np.float64]
    largest: NDArray[np.float64]
    within: NDArray[np.float64]
    sizes: NDArray[np.int64]

    def merged(self, cluster_of: NDArray[np.int64]) -> Evidence:
        """Return the evidence on clusters of these clusters, of which ``cluster_of[c]`` holds the c-th."""
        n = int(cluster_of.max()) + 1
        low, high = np.divmod(self.pairs, len(self.sizes))
        within = np.bincount(cluster_of, self.within, n).astype(np.float64)
        keys, rows = _apart(cluster_of[low], cluster_of[high], self.total, n, within)
        pairs, (total, count, largest) = _summed(keys, self.total[rows], self.count[rows], self.largest[rows])
        sizes = np.bincount(cluster_of, self.sizes, n).astype(np.int64)
        return Evidence(pairs, total, count, largest, within, sizes)


def gather_evidence(edges: NDArray[np.int64], linkage: NDArray[np.float32], members: NDArray[np.int64]) -> Evidence:
    """Sum up the items' links.

    Parameters
    ----------
    edges : ndarray of shape (m, 2), int64
        Pairs of items, each once.
    linkage : ndarray of shape (m,), float32
    members : ndarray of shape (n,), int64
        Cluster of each item, 0..C-1, none empty.
    """
    sizes = np.bincount(members)
    within = np.zeros(len(sizes))
    keys, rows = _apart(members[edges[:, 0]], members[edges[:, 1]], linkage, len(sizes), within)
    between = linkage[rows].astype(np.float64)
    pairs, (total, count, largest) = _summed(keys, between, np.ones(len(rows)), between)
    return Evidence(pairs, total, count, largest, within, sizes)


def _summed(
    keys: NDArray[np.int64], total: NDArray[np.float64], count: NDArray[np.float64], largest: NDArray[np.float64]
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    order = np.argsort(keys)
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    sums = [np.zeros(len(first)) for _ in range(3)]
    _add_up(keys, order, total, count, largest, sums[0], sums[1], sums[2])
    return keys[first], sums


@njit(cache=True)
def _apart(first, second, linkage, n, within):
    """Keys and rows of the edges between two clusters; adds up the linkage within one."""
    keys, rows = np.empty(len(first), np.int64), np.empty(len(first), np.int64)
    found = 0
    for e in range(len(first)):
        low, high = min(first[e], second[e]), max(first[e], second[e])
        if low == high:
            within[low] += linkage[e]
        else:
            keys[found], rows[found] = low * n + high, e
            found += 1
    return keys[:found], rows[:found]


@njit(cache=True)
def _add_up(keys, order, total, count, largest, totals, counts, maxima):
    """Sum up the values of equal, adjacent keys."""
    row = -1
    for position in range(len(keys)):
        if position == 0 or keys[position] != keys[position - 1]:
            row += 1
        e = order[position]
        totals[row] += total[e]
        counts[row] += count[e]
        maxima[row] = max(maxima[row], largest[e])
