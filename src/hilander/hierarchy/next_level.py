"""Clusters of one level to nodes of the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilander.graph.row_sums import add_rows
from hilander.hierarchy.decode import find_roots


@dataclass(frozen=True)
class Nodes:
    """The nodes of one level: single items at level 0, clusters above.

    Attributes
    ----------
    features : ndarray of shape (n_nodes, d), float32
        Identity features f: the embedding of the node's peak.
    cluster_features : ndarray of shape (n_nodes, d), float32
        Mean embedding c of the node's items.
    peaks : ndarray of shape (n_nodes,), int64
        The item that is each node's peak.
    members : ndarray of shape (n,), int64
        The node that holds each item.
    """

    features: NDArray[np.float32]
    cluster_features: NDArray[np.float32]
    peaks: NDArray[np.int64]
    members: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.peaks)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Items per node, (n_nodes,)."""
        return np.bincount(self.members, minlength=len(self))


def first_level(embeddings: NDArray[np.float32]) -> Nodes:
    """Every item is a node; its own embedding is both its identity and its cluster feature."""
    own = np.arange(len(embeddings))
    return Nodes(embeddings, embeddings, own, own)


def next_level(nodes: Nodes, parents: NDArray[np.int64], embeddings: NDArray[np.float32] | None) -> Nodes:
    """Merge every tree of a level into one node of the next (Xing et al. 2021, section 3.1).

    Parameters
    ----------
    nodes : Nodes
    parents : ndarray of shape (n_nodes,), int64
        The level's forest; a peak is its own parent.
    embeddings : ndarray of shape (n, d), float32
        Of the items, from which the mean features are taken; None where nobody looks at the nodes' features, which
        then are zero wide.

    Returns
    -------
    Nodes
        In the order of their peaks' positions on the level below.
    """
    roots = find_roots(parents)
    is_peak = roots == np.arange(len(roots))
    peaks, number = np.flatnonzero(is_peak), np.cumsum(is_peak) - 1
    members = number[roots][nodes.members]
    if embeddings is None:
        none = np.empty((len(peaks), 0), np.float32)
        return Nodes(none, none, nodes.peaks[peaks], members)
    return Nodes(
        features=nodes.features[peaks],
        cluster_features=mean_features(embeddings, members, len(peaks)),
        peaks=nodes.peaks[peaks],
        members=members,
    )


def mean_features(embeddings: NDArray[np.float32], members: NDArray[np.int64], n_nodes: int) -> NDArray[np.float32]:
    """Return the mean embedding of each node's items, (n_nodes, d) float32."""
    sums, sizes = np.zeros((n_nodes, embeddings.shape[1]), np.float32), np.bincount(members, minlength=n_nodes)
    add_rows(embeddings, members, sums)
    sums /= sizes[:, None]
    return sums
