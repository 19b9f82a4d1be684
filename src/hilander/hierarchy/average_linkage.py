"""Agglomeration by average linkage: two clusters merge on the evidence of all pairs between their members."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from hilander.hierarchy.constraints import Constraints


def average_linkage(
    edges: NDArray[np.int64],
    linkage: NDArray[np.floating],
    n_nodes: int,
    threshold: float,
    sizes: NDArray[np.int64] | None = None,
    constraints: Constraints | None = None,
) -> NDArray[np.int64]:
    """Merge the two clusters of largest mean linkage, as long as that is at least the threshold.

    One wrong edge cannot join two clusters, as it does in a tree: the mean runs over all pairs of members, and a pair
    without an edge counts 0. A higher threshold gives a refinement of a lower one's clusters. Pairs that are each
    other's best merge at once: average linkage is reducible (Bruynooghe, 1977), so the result is that of merging one
    pair after the other. It stays reducible under constraints, which rule pairs of clusters out and never in again.

    Parameters
    ----------
    edges : ndarray of shape (m, 2), int64
        Pairs of nodes, each once.
    linkage : ndarray of shape (m,), float
        Probability that the ends belong together; where nodes stand for several items, its mean over all their pairs.
    n_nodes : int
        Number of nodes.
    threshold : float
        Granularity, in (0, 1]: higher is finer.
    sizes : ndarray of shape (n_nodes,), int64, optional
        Items that each node stands for, 1 by default.
    constraints : Constraints, optional
        What is merged at the outset whatever its linkage, and what is never merged.

    Returns
    -------
    ndarray of shape (n_nodes,), int64
        Clusters 0..K-1, numbered by their first node.

    Raises
    ------
    ValueError
        The threshold is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must lie in (0, 1], got {threshold}")
    weight = np.ones(n_nodes) if sizes is None else sizes.astype(np.float64)
    linkage = np.asarray(linkage, np.float64)
    owner = np.arange(n_nodes, dtype=np.int64) if constraints is None else constraints.groups
    ends = edges if constraints is None else owner[edges]
    reach = _components(ends[linkage >= threshold], n_nodes)  # clusters of a mean above the threshold have such an edge
    inside = (reach[ends[:, 0]] == reach[ends[:, 1]]) & (linkage > 0)
    del ends  # of graphs with many million edges, what is no longer needed counts
    pairs, totals = edges[inside], linkage[inside]
    totals *= weight[pairs[:, 0]]
    totals *= weight[pairs[:, 1]]
    weight = np.bincount(owner, weight, n_nodes).astype(np.float64)
    pairs, totals = _merge_parallel(pairs, totals, owner, np.ones(n_nodes, np.bool_))
    constraints = constraints and constraints.on(owner, n_nodes)

    while True:
        if constraints is not None:
            allowed = constraints.allowed(pairs)
            pairs, totals = pairs[allowed], totals[allowed]
        merged_into, active = _best_partners(pairs, totals, weight, threshold)
        changed = merged_into != np.arange(n_nodes)
        if not changed.any():
            return np.unique(owner, return_inverse=True)[1].astype(np.int64)
        weight[merged_into[changed]] += weight[changed]  # each has one partner
        owner = merged_into[owner]
        pairs, totals = _merge_parallel(pairs, totals, merged_into, active)
        constraints = constraints and constraints.on(merged_into, n_nodes)


def _components(edges: NDArray[np.int64], n_nodes: int) -> NDArray[np.int32]:
    graph = sp.coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(n_nodes, n_nodes))
    return connected_components(graph, directed=False)[1]


def _merge_parallel(
    pairs: NDArray[np.int64], totals: NDArray[np.float64], merged_into: NDArray[np.int64], active: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Add up the linkage of pairs that have become one, and drop those that no longer count; the result is sorted."""
    n = len(merged_into)
    (low, high, of_kept), (low_changed, high_changed, of_changed) = _relabel(pairs, totals, merged_into, active)
    keys = low_changed * n + high_changed
    order = np.argsort(keys)
    return _merge_sorted(low, high, of_kept, keys[order], of_changed[order], n)


def sum_by_key(keys: NDArray[np.int64], *values: NDArray[Any]) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    """Return the sorted unique keys, and for each of `values` (m,) its sums over equal keys.

    Examples
    --------
    >>> sum_by_key(np.array([7, 3, 7]), np.array([1, 2, 4]))
    (array([3, 7]), [array([2., 5.])])
    """
    values = tuple(np.asarray(value, np.float64) for value in values)
    if (keys[1:] > keys[:-1]).all():
        return keys, list(values)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
    return keys[first], [np.add.reduceat(value[order], first) for value in values]


@njit(cache=True)
def _best_partners(pairs, totals, weight, threshold):
    """Map each node to itself or, where two are each other's best, both to the smaller one; and who may still merge.

    A node without a mean above the threshold never gets one: that to two nodes which have merged is no more than the
    larger of those to either.
    """
    n = len(weight)
    best = np.full(n, -1)
    best_mean = np.zeros(n)
    for e in range(len(pairs)):  # in the order of pairs, so that equal means have one winner everywhere
        mean = totals[e] / (weight[pairs[e, 0]] * weight[pairs[e, 1]])
        if mean >= threshold:
            for end in range(2):
                node = pairs[e, end]
                if mean > best_mean[node]:
                    best[node], best_mean[node] = e, mean
    target = np.arange(n)
    for e in range(len(pairs)):
        i, j = pairs[e, 0], pairs[e, 1]
        if best[i] == e and best[j] == e:
            target[j] = i
    return target, best >= 0


@njit(cache=True)
def _relabel(pairs, totals, merged_into, active):
    """Ends and totals of the pairs of active nodes that stay as they were, and of those that have other ends now."""
    low, high, values = np.empty(len(pairs), np.int64), np.empty(len(pairs), np.int64), np.empty(len(pairs))
    n_kept, n_changed, last = 0, 0, len(pairs)  # the ones from the front, the others from the back
    before_i, before_j = np.int64(-1), np.int64(-1)
    for e in range(len(pairs)):
        i, j = pairs[e, 0], pairs[e, 1]
        if not (active[i] and active[j]):
            continue
        a, b = min(merged_into[i], merged_into[j]), max(merged_into[i], merged_into[j])
        if a == b:
            continue
        in_order = a == i and b == j and (i > before_i or (i == before_i and j > before_j))
        if in_order:
            low[n_kept], high[n_kept], values[n_kept] = a, b, totals[e]
            n_kept += 1
            before_i, before_j = i, j
        else:
            n_changed += 1
            low[last - n_changed], high[last - n_changed], values[last - n_changed] = a, b, totals[e]
    rest = last - n_changed
    return (low[:n_kept], high[:n_kept], values[:n_kept]), (low[rest:], high[rest:], values[rest:])


@njit(cache=True)
def _merge_sorted(low, high, values, keys, of_keys, n):
    """Merge two ascending sequences of pairs, of which the second stands as keys and may repeat itself."""
    pairs, totals = np.empty((len(low) + len(keys), 2), np.int64), np.empty(len(low) + len(keys))
    found, k = 0, 0
    for e in range(len(low) + 1):
        until = low[e] * n + high[e] if e < len(low) else np.int64(n) * n
        while k < len(keys) and keys[k] < until:
            key, total = keys[k], 0.0
            while k < len(keys) and keys[k] == key:
                total += of_keys[k]
                k += 1
            pairs[found, 0], pairs[found, 1], totals[found] = key // n, key % n, total
            found += 1
        if e < len(low):
            total = values[e]
            while k < len(keys) and keys[k] == until:
                total += of_keys[k]
                k += 1
            pairs[found, 0], pairs[found, 1], totals[found] = low[e], high[e], total
            found += 1
    return pairs[:found], totals[:found]
