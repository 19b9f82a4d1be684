"""Edges from new points to a graph of fitted ones, which stays as it is: their features and their triangles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.pairs import N_CANDIDATES
from hilander.graph.relational_graph import Neighborhoods
from hilander.graph.relations import relational_features


@dataclass(frozen=True)
class FittedNeighborhoods:
    """Fitted points with their nearest neighbours among themselves.

    Attributes
    ----------
    features : ndarray of shape (n, d), float32
        Rows of norm 1.
    neighbors, similarities : ndarray of shape (n, k), int64 and float32
    """

    features: NDArray[np.float32]
    neighbors: NDArray[np.int64]
    similarities: NDArray[np.float32]

    @property
    def neighborhoods(self) -> Neighborhoods:
        """All three."""
        return self.features, self.neighbors, self.similarities

    @cached_property
    def in_degree(self) -> NDArray[np.int64]:
        """How many lists of 20 hold each point, (n,)."""
        return np.bincount(self.neighbors[:, :N_CANDIDATES].ravel(), minlength=len(self.neighbors))

    def describe(
        self,
        features: NDArray[np.float32],
        neighbors: NDArray[np.int64],
        similarities: NDArray[np.float32],
        edges: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Return the relational features of edges to new points, each as if it were alone with the fitted ones.

        Its list of 20 adds one to the in-degree of those in it; it is counted at all others too, where only the
        cluster features make an edge, as one in twenty or so.

        Parameters
        ----------
        features : ndarray of shape (m, d), float32
            Of the new points.
        neighbors, similarities : ndarray of shape (m, k), int64 and float32
            Their nearest fitted points.
        edges : ndarray of shape (e, 2), int64
            New point and fitted point, sorted.

        Returns
        -------
        ndarray of shape (e, 29), float32
        """
        m, k = neighbors.shape
        # The part of the graph that these features look at: the ends, and whatever is in a list beside theirs.
        ends = _distinct([edges[:, 1]], len(self.features))
        part = _distinct([ends, self.neighbors[ends].ravel(), neighbors.ravel()], len(self.features))
        place = np.empty(len(self.features), np.int64)
        place[part] = m + np.arange(len(part))
        lists = np.zeros((m + len(part), k), np.int64)  # nobody asks for those of points that are no ends
        weights = np.zeros(lists.shape, np.float32)
        lists[:m], lists[place[ends]] = place[neighbors], place[self.neighbors[ends]]
        weights[:m], weights[place[ends]] = similarities, self.similarities[ends]
        return relational_features(
            np.concatenate([features, self.features[part]]),
            lists,
            weights,
            np.stack([edges[:, 0], place[edges[:, 1]]], axis=1),
            in_degree=np.concatenate([np.zeros(m, np.int64), 1 + self.in_degree[part]]),
        )


def _distinct(numbers: list[NDArray[np.int64]], n: int) -> NDArray[np.int64]:
    """Return the distinct ones among numbers below n, ascending."""
    present = np.zeros(n, bool)
    for each in numbers:
        present[each] = True
    return np.flatnonzero(present)


def attached_triangles(
    edges: NDArray[np.int64], fitted_edges: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """List the triangles of one new point and two fitted ones.

    Parameters
    ----------
    edges : ndarray of shape (e, 2), int64
        New point and fitted point, sorted.
    fitted_edges : ndarray of shape (f, 2), int64
        Each pair of fitted points once, ``fitted_edges[:, 0] < fitted_edges[:, 1]``, sorted.
    starts : ndarray of shape (n + 1,), int64
        First row of `fitted_edges` for each fitted point.

    Returns
    -------
    triangles : ndarray of shape (t, 3), int32
        Rows of `edges`, and of those of `fitted_edges` that are `sides`, counted on from e.
    sides : ndarray of shape (s,), int64
        Rows of `fitted_edges`.
    """
    edge_at = np.full(len(starts) - 1, -1, np.int64)
    found = np.empty((_list_triangles(edges, fitted_edges, starts, edge_at, np.empty((0, 3), np.int64)), 3), np.int64)
    _list_triangles(edges, fitted_edges, starts, edge_at, found)
    sides, third = np.unique(found[:, 2], return_inverse=True)
    found[:, 2] = len(edges) + third
    return found.astype(np.int32), sides


@njit(cache=True, nogil=True)
def _list_triangles(edges, fitted_edges, starts, edge_at, found):
    """Count the triangles, writing them where `found` has room; `edge_at` comes and goes filled with -1."""
    count = 0
    first = 0
    while first < len(edges):
        last = first
        while last < len(edges) and edges[last, 0] == edges[first, 0]:
            edge_at[edges[last, 1]] = last
            last += 1
        for e in range(first, last):
            i = edges[e, 1]
            for side in range(starts[i], starts[i + 1]):
                other = edge_at[fitted_edges[side, 1]]
                if other >= 0:
                    if len(found) > 0:
                        found[count, 0], found[count, 1], found[count, 2] = e, other, side
                    count += 1
        for e in range(first, last):
            edge_at[edges[e, 1]] = -1
        first = last
    return count
