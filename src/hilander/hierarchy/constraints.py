"""What the clusters of a level must keep to: nodes that belong together, pairs that may not, and a largest size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Constraints:
    """Constraints on the nodes of one level.

    Attributes
    ----------
    groups : ndarray of shape (n_nodes,), int64
        The first node of the group that each node must share a cluster with; a free node is its own.
    forbidden : ndarray of shape (m, 2), int64
        Pairs of nodes that must not share a cluster; none lies within a group.
    counts : ndarray of shape (n_nodes,), int64
        Rows that each node stands for.
    max_count : int
        Most rows of a cluster; no group has more.
    """

    groups: NDArray[np.int64]
    forbidden: NDArray[np.int64]
    counts: NDArray[np.int64]
    max_count: int

    def on(self, members: NDArray[np.int64], n_clusters: int = 0) -> Constraints:
        """Return the constraints on clusters of these nodes, which hold every group whole.

        Parameters
        ----------
        members : ndarray of shape (n_nodes,), int64
            Cluster of each node; numbers may be left out.
        n_clusters : int
            Clusters there are at least, where the highest numbers are left out.
        """
        counts = np.bincount(members, self.counts, n_clusters).astype(np.int64)
        return Constraints(np.arange(len(counts)), members[self.forbidden], counts, self.max_count)

    def allowed(self, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which pairs of nodes may merge.

        What may not merge now never may: clusters only grow, and a pair that is forbidden stays so. So agglomeration
        drops such pairs for good.

        Parameters
        ----------
        pairs : ndarray of shape (m, 2), int64
            Distinct, the smaller node first, in ascending order.

        Returns
        -------
        ndarray of shape (m,), bool
        """
        n = len(self.counts)
        allowed = self.counts[pairs[:, 0]] + self.counts[pairs[:, 1]] <= self.max_count
        if len(pairs) and len(self.forbidden):
            keys = pairs[:, 0] * n + pairs[:, 1]
            forbidden = self.forbidden.min(axis=1) * n + self.forbidden.max(axis=1)
            position = np.minimum(np.searchsorted(keys, forbidden), len(keys) - 1)
            allowed[position[keys[position] == forbidden]] = False
        return allowed
