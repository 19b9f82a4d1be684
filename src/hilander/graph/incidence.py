"""Which edges of an undirected graph meet at each node."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Incidence(NamedTuple):
    """The edges at each node.

    Attributes
    ----------
    starts : ndarray of shape (n + 1,), int64
        Where those of each node start in `rows`.
    rows : ndarray of shape (2 m,), int32, or int64 of more than 2³¹ − 1 edges
        Rows of the edges, ascending at each node: where edges are sorted, so are the nodes at their other ends.
    """

    starts: NDArray[np.int64]
    rows: NDArray[Any]

    def at(self, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of all edges that meet at any of these nodes, ascending, each once."""
        if len(nodes) == 0:
            return np.empty(0, np.int64)
        rows = np.sort(np.concatenate([self.rows[self.starts[i] : self.starts[i + 1]] for i in nodes]))
        return rows[np.diff(rows, prepend=-1) > 0].astype(np.int64)  # far quicker than np.unique, which hashes


def incidence(edges: NDArray[np.int64], n_nodes: int) -> Incidence:
    """List the edges at each node, from pairs (m, 2)."""
    starts = np.zeros(n_nodes + 1, np.int64)
    np.cumsum(np.bincount(edges.ravel(), minlength=n_nodes), out=starts[1:])
    rows = np.empty(2 * len(edges), np.int32 if len(edges) <= np.iinfo(np.int32).max else np.int64)
    _list_edges(edges, starts[:-1].copy(), rows)
    return Incidence(starts, rows)


@njit(cache=True)
def _list_edges(edges, free, rows):
    """Write each edge's row into the places of both its nodes, of which `free` is the first."""
    for e in range(len(edges)):
        for end in range(2):
            node = edges[e, end]
            rows[free[node]] = e
            free[node] += 1
