"""From pairs of rows to constraints on the nodes of level 0, where equal rows are one node if the pairs let them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from hilander.hierarchy.constraints import Constraints


def constrained_rows(
    distinct: NDArray[np.int64],
    must_link: NDArray[np.int64],
    cannot_link: NDArray[np.int64],
    max_cluster_size: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Constraints]:
    """Return the nodes that rows become, and what clusters of them must keep to.

    Equal rows share a node. Only where that is impossible, because a pair forbids it, directly or by way of must-link
    pairs, or because there are more of them than a cluster may hold, they stand apart: those that occur in a pair by
    themselves, the others together, as many as fit into a cluster, in the order of the rows.

    Parameters
    ----------
    distinct : ndarray of shape (n,), int64
        Which of the distinct rows each row equals, 0..K-1, none left out.
    must_link, cannot_link : ndarray of shape (m, 2), int64
        From `check_pairs`.
    max_cluster_size : int, optional
        Most rows of a cluster.

    Returns
    -------
    first : ndarray of shape (n_nodes,), int64
        The first row of each node; nodes are in the order of the distinct rows.
    inverse : ndarray of shape (n,), int64
        Node of each row.
    constraints : Constraints

    Raises
    ------
    ValueError
        The pairs contradict each other, or more rows must share a cluster than it may hold.
    """
    n = len(distinct)
    most = n if max_cluster_size is None else min(max_cluster_size, n)
    linked = _components(must_link, n)
    _check_consistency(linked, cannot_link, most)

    equal = np.stack([np.arange(n), np.unique(distinct, return_index=True)[1][distinct]], axis=1)
    glued = _components(np.concatenate([must_link, equal]), n)
    torn = np.bincount(glued) > most
    clash = glued[cannot_link[:, 0]] == glued[cannot_link[:, 1]]
    torn[glued[cannot_link[clash, 0]]] = True

    group = np.where(torn[glued], linked, n + glued)
    in_pair = np.zeros(n, np.bool_)
    in_pair[must_link], in_pair[cannot_link] = True, True
    free = np.flatnonzero(torn[glued] & ~in_pair)
    free = free[np.argsort(distinct[free], kind="stable")]
    _, start, run = np.unique(distinct[free], return_index=True, return_inverse=True)
    portion = (np.arange(len(free)) - start[run]) // most
    group[free] = 2 * n + np.unique(distinct[free] * n + portion, return_inverse=True)[1]
    group = np.unique(group, return_inverse=True)[1]

    _, first, inverse = np.unique(distinct * n + group, return_index=True, return_inverse=True)
    _, first_node, which = np.unique(group[first], return_index=True, return_inverse=True)
    counts = np.bincount(inverse, minlength=len(first))
    return first, inverse, Constraints(first_node[which], inverse[cannot_link], counts, most)


def check_pairs(pairs: ArrayLike | None, n: int, *, name: str) -> NDArray[np.int64]:
    """Return pairs of rows as an array of shape (m, 2); None is no pair.

    Raises
    ------
    ValueError
        Not pairs of integers, or not numbers of rows.
    """
    if pairs is None:
        return np.empty((0, 2), np.int64)
    asked = f"{name} must be an array of shape (m, 2), pairs of row numbers"
    if np.ma.is_masked(pairs):
        raise ValueError(f"{asked}; got masked values, leave these pairs out")
    try:
        array = np.asarray(pairs)
    except ValueError as error:
        raise ValueError(f"{asked}; got rows of different lengths") from error
    if array.size == 0 and array.ndim <= 2:
        return np.empty((0, 2), np.int64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{asked}; got shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{asked}, which are integers; got {array.dtype}")
    outside = ((array < 0) | (array >= n)).any(axis=1)
    if outside.any():
        i, j = array[outside][0]
        raise ValueError(f"{name} holds the pair ({i}, {j}), but the rows are numbered from 0 to {n - 1}")
    return array.astype(np.int64)


def _components(pairs: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    graph = sp.coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _check_consistency(linked: NDArray[np.int64], cannot_link: NDArray[np.int64], most: int) -> None:
    for i, j in cannot_link[linked[cannot_link[:, 0]] == linked[cannot_link[:, 1]]][:1]:
        if i == j:
            raise ValueError(f"cannot_link holds the pair ({i}, {j}), which names one row twice; take it out")
        raise ValueError(
            f"cannot_link holds the pair ({i}, {j}), but must_link joins these rows, directly or by way of others; "
            "take one of the two out"
        )
    sizes = np.bincount(linked)
    if sizes.max() > most:
        row = int(np.argmax(linked == np.argmax(sizes)))
        raise ValueError(
            f"must_link joins {sizes.max():,} rows, among them row {row}, but max_cluster_size is {most:,}; raise it, "
            "or take pairs out"
        )
