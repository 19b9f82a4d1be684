"""How sure the model is of each item's cluster, from its links and where they lead."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.hierarchy.decode import Links
from hilander.paged_arrays import empty_array


def membership_probabilities(
    links: Links, members: NDArray[np.int64], sizes: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """Return the probability of each node's cluster: what share of the others in it is of its class.

    That is the mean linkage to the items that it has links to in its cluster; items of one node are surely of one
    class. Of an item that stands alone it is the probability that it belongs to none of the clusters that its links
    lead to, Π_c (1 − max_{j ∈ c} p_ij): that there is not one likely link says little where several lead to several
    clusters.

    Parameters
    ----------
    links : Links
        Of level 0.
    members : ndarray of shape (n,), int64
        Final cluster of each node.
    sizes : ndarray of shape (n,), int64, optional
        Items of each node; one by default.

    Returns
    -------
    ndarray of shape (n,), float32
        Within [0, 1].
    """
    sizes = np.ones(len(members), np.int64) if sizes is None else sizes
    within, others = (sizes - 1).astype(np.float64), sizes - 1
    n_links = np.zeros(len(members), np.int64)
    _add_links(links.source, links.target, links.linkage, members, sizes, within, others, n_links)
    probabilities = (within / np.maximum(others, 1)).astype(np.float32)
    alone = np.flatnonzero(others == 0)
    row = np.full(len(members), -1, np.int64)
    row[alone] = np.arange(len(alone))
    starts = np.concatenate([[0], np.cumsum(n_links[alone])])
    clusters = empty_array((int(starts[-1]),), np.int64)
    linkage = empty_array((int(starts[-1]),), np.float32)
    _gather_links(links.source, links.target, links.linkage, members, row, starts[:-1].copy(), clusters, linkage)
    probabilities[alone] = _probabilities_alone(starts, clusters, linkage)
    return probabilities


@njit(cache=True)
def _add_links(source, target, linkage, members, sizes, within, others, n_links):
    """Add up each node's linkage within its cluster and the items that it leads to, and count all its links."""
    for e in range(len(source)):
        i, j, p = source[e], target[e], linkage[e]
        n_links[i] += 1
        n_links[j] += 1
        if members[i] == members[j]:
            within[i] += sizes[j] * p
            within[j] += sizes[i] * p
            others[i] += sizes[j]
            others[j] += sizes[i]


@njit(cache=True)
def _gather_links(source, target, linkage, members, row, next_place, clusters, gathered):
    """Put the links of each node that has a row side by side, each with the cluster that it leads to."""
    for e in range(len(source)):
        for i, j in ((source[e], target[e]), (target[e], source[e])):
            if row[i] >= 0:
                place = next_place[row[i]]
                clusters[place], gathered[place] = members[j], linkage[e]
                next_place[row[i]] += 1


@njit(cache=True)
def _probabilities_alone(starts, clusters, linkage):
    probabilities = np.ones(len(starts) - 1)
    for row in range(len(probabilities)):
        own = slice(starts[row], starts[row + 1])
        order = np.argsort(clusters[own])
        i = 0
        while i < len(order):
            cluster, likeliest = clusters[own][order[i]], np.float32(0)
            while i < len(order) and clusters[own][order[i]] == cluster:
                likeliest = max(likeliest, linkage[own][order[i]])
                i += 1
            probabilities[row] *= 1 - likeliest
    return probabilities
