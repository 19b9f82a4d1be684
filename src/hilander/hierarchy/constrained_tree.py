"""Tree decoding under constraints: an edge that would break one is passed over for the node's next likeliest."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.hierarchy.constraints import Constraints
from hilander.hierarchy.decode import Links, likely_edges


def constrained_tree(links: Links, threshold: float, constraints: Constraints) -> NDArray[np.int64]:
    """Return clusters from likely edges between denser and less dense nodes, the likeliest first.

    An edge joins the trees of its ends where its target has no parent yet and the constraints allow it. Where they
    allow every edge this is `hilander.hierarchy.decode.tree_parents`.

    Parameters
    ----------
    links : Links
    threshold : float
        Within [0, 1].
    constraints : Constraints

    Returns
    -------
    ndarray of shape (n,), int64
        Clusters 0..K-1.
    """
    edges = likely_edges(links, threshold)
    source, target = links.source[edges], links.target[edges]
    order = np.lexsort((target, source, -links.linkage[edges]))
    grouped = constraints.on(constraints.groups, len(constraints.groups))
    roots = _join(
        source[order],
        target[order],
        constraints.groups.copy(),
        grouped.forbidden,
        grouped.counts,
        constraints.max_count,
    )
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


@njit(cache=True)
def _find(root, node):
    while root[node] != node:
        root[node] = root[root[node]]
        node = root[node]
    return node


@njit(cache=True)
def _join(source, target, root, forbidden, counts, max_count):
    """Union-find in which every tree lists the nodes that it may not join; a union moves the shorter list."""
    n, m = len(root), len(forbidden)
    partner = np.empty(2 * m, np.int64)  # one list entry for each direction of a forbidden pair
    following = np.full(2 * m, -1)
    first, last, length = np.full(n, -1), np.full(n, -1), np.zeros(n, np.int64)
    apart = {np.int64(-1)}  # keys of ordered pairs of roots
    for e in range(2 * m):
        node = forbidden[e // 2, e % 2]
        partner[e] = forbidden[e // 2, 1 - e % 2]
        apart.add(node * n + partner[e])
        if last[node] >= 0:
            following[last[node]] = e
        else:
            first[node] = e
        last[node] = e
        length[node] += 1

    has_parent = np.zeros(n, np.bool_)
    for e in range(len(source)):
        child = target[e]
        if has_parent[child]:
            continue
        a, b = _find(root, source[e]), _find(root, child)
        if a != b and (counts[a] + counts[b] > max_count or a * n + b in apart):
            continue
        has_parent[child] = True
        if a == b:
            continue
        large, small = (a, b) if length[a] >= length[b] else (b, a)
        entry = first[small]
        while entry >= 0:
            other = _find(root, partner[entry])
            apart.add(large * n + other)
            apart.add(other * n + large)
            entry = following[entry]
        if first[small] >= 0:  # so has the other one, whose list is as long at least
            following[last[large]] = first[small]
            last[large] = last[small]
            length[large] += length[small]
        counts[large] += counts[small]
        root[small] = large
    for node in range(n):
        root[node] = _find(root, node)
    return root
