"""The features of a part's edges, from what is known of its nodes and of those around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilander.distributed.edges import EdgeParts
from hilander.distributed.parts import Parts
from hilander.graph.pairs import N_CANDIDATES
from hilander.graph.relational_graph import N_RELATIONS, item_features, known_linkage, write_known
from hilander.graph.relations import FEATURE_NAMES, SMOOTHED_NEIGHBORS, Relations


@dataclass(frozen=True)
class NeighborhoodParts:
    """Features of all nodes with their nearest neighbours, in parts.

    Attributes
    ----------
    features : Parts
        (n, d) float32.
    neighbors, similarities : Parts
        (n, k), int64 and float32.
    """

    features: Parts
    neighbors: Parts
    similarities: Parts

    @property
    def in_degree(self) -> Parts:
        """How many lists of 20 hold each node, (n,) int64."""
        return self.neighbors.named(f"{self.neighbors.name}_in_degree")


def edge_features(
    graph: EdgeParts,
    identity: NeighborhoodParts,
    cluster: NeighborhoodParts | None,
    before: EdgeParts | None,
    part: int,
) -> Callable[[slice], NDArray[np.float32]]:
    """Return what describes a part's edges, as `hilander.graph.relational_graph` does those of a whole graph.

    Parameters
    ----------
    graph : EdgeParts
    identity : NeighborhoodParts
    cluster : NeighborhoodParts, optional
        None in the first pass, where nothing is known of clusters.
    before : EdgeParts, optional
        The graph of the first pass, with its ``linkage``.
    part : int
    """
    edges = np.asarray(graph.edges(part))
    by_identity = _relations(identity, edges)
    by_cluster = None if cluster is None else _relations(cluster, edges)
    if before is not None:
        edges_before, linkage = np.asarray(before.edges(part)), np.asarray(before.array("linkage").read(part))

    def describe(rows: slice) -> NDArray[np.float32]:
        features = item_features(len(edges[rows]))
        by_identity(rows, features, 0)
        if by_cluster is None:
            features[:, len(FEATURE_NAMES) : N_RELATIONS] = features[:, : len(FEATURE_NAMES)]
        else:
            by_cluster(rows, features, len(FEATURE_NAMES))
        if before is not None:
            write_known(features, known_linkage(edges_before, linkage, edges[rows], int(graph.bounds[-1])))
        return features

    return describe


def _relations(
    around: NeighborhoodParts, edges: NDArray[np.int64]
) -> Callable[[slice, NDArray[np.float32], int], None]:
    """Relations of a part's edges: their ends' lists, and of the listed nodes only what enters."""
    ends = np.unique(edges)
    lists, similarities = around.neighbors.take(ends), around.similarities.take(ends)
    with_features = np.union1d(ends, lists[:, :SMOOTHED_NEIGHBORS])
    others = np.setdiff1d(lists, with_features)
    nodes = np.concatenate([with_features, others])  # numbered anew: those whose features are needed come first
    order = np.argsort(nodes)
    ascending = nodes[order]

    def local(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return order[np.searchsorted(ascending, numbers)]

    rows, k = local(ends), lists.shape[1]
    local_lists, local_similarities = np.zeros((len(nodes), k), np.int64), np.zeros((len(nodes), k), np.float32)
    local_lists[rows], local_similarities[rows] = local(lists), similarities
    in_degree = np.zeros(len(nodes), np.int64)
    counted = np.union1d(ends, lists[:, :N_CANDIDATES])
    in_degree[local(counted)] = around.in_degree.take(counted)
    relations = Relations(around.features.take(with_features), local_lists, local_similarities, in_degree)
    local_edges = local(edges)
    return lambda rows, features, column: relations.write(local_edges[rows], features, column)
