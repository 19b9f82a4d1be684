"""Linkage and density to clusters: every node keeps its one likeliest in-edge from a denser node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True)
class Links:
    """What a model says of one level.

    Attributes
    ----------
    source, target : ndarray of shape (m,), int64
        Edge from source to target; an undirected pair may stand in both directions.
    linkage : ndarray of shape (m,), float32
        Probability that the two ends are of one class.
    density : ndarray of shape (n,), float32
        One per node.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    linkage: NDArray[np.float32]
    density: NDArray[np.float32]


def tree_parents(links: Links, threshold: float) -> NDArray[np.int64]:
    """Return every node's parent in a forest of likely edges from denser to less dense nodes.

    Edge j→i is kept where ``d̂_j > d̂_i`` and ``p_ij > threshold`` (p_τ); each node keeps its likeliest kept
    in-edge (Xing et al. 2021, section 3.3). Equal densities count as falling with the index, so that equal
    nodes still form one tree; among equally likely edges the lowest source is taken.

    Parameters
    ----------
    links : Links
    threshold : float
        Within [0, 1].

    Returns
    -------
    ndarray of shape (n,), int64
        A node without kept in-edges, a *peak*, is its own parent.
    """
    parents = np.arange(len(links.density))
    likeliest = np.full(len(parents), threshold, links.linkage.dtype)
    _take_likeliest(links.source, links.target, links.linkage, links.density, likeliest, parents)
    return parents


@njit(cache=True)
def _take_likeliest(source, target, linkage, density, likeliest, parents):
    """Give each node its likeliest source that is denser; `parents` comes as the nodes themselves."""
    for e in range(len(source)):
        j, i, p = source[e], target[e], linkage[e]
        if p < likeliest[i] or not (density[j] > density[i] or (density[j] == density[i] and j < i)):
            continue
        if p > likeliest[i] or (parents[i] != i and j < parents[i]):
            likeliest[i], parents[i] = p, j


def likely_edges(links: Links, threshold: float) -> NDArray[np.int64]:
    """Return the positions of the edges above the threshold that run from denser to less dense nodes."""
    source, target, density = links.source, links.target, links.density
    denser = (density[source] > density[target]) | ((density[source] == density[target]) & (source < target))
    return np.flatnonzero(denser & (links.linkage > threshold))


def parents_from_labels(labels: NDArray[np.int64], density: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return a forest with one tree of depth one for every cluster: its densest node is the peak.

    Parameters
    ----------
    labels : ndarray of shape (n,), int64
    density : ndarray of shape (n,), float32

    Returns
    -------
    ndarray of shape (n,), int64
    """
    order = np.lexsort((np.arange(len(labels)), -density, labels))
    _, first, inverse = np.unique(labels[order], return_index=True, return_inverse=True)
    parents = np.empty(len(labels), np.int64)
    parents[order] = order[first][inverse]
    return parents


def find_roots(parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the root of every node's tree by pointer jumping; a root is its own parent."""
    roots = parents
    while True:
        above = roots[roots]
        if np.array_equal(above, roots):
            return roots
        roots = above
