"""The graph of clusters that RelationalLander reads: whether two belong together, on the evidence of their items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.graph.cluster_features import sum_over_clusters
from hilander.graph.evidence import Evidence, gather_evidence
from hilander.graph.knn import nearest_neighbors
from hilander.graph.pairs import sorted_pairs, undirected_edges
from hilander.graph.relational_graph import EDGE_FEATURES, N_RELATIONS, RelationalGraph, Rows, assemble, look_up
from hilander.graph.relations import FEATURE_NAMES, N_CONTEXT, Relations
from hilander.graph.size_context import SIZE_CONTEXT, size_context

CLUSTER_EDGE_FEATURES = (*EDGE_FEATURES, *SIZE_CONTEXT)

_N_CANDIDATES = 10  # nearest clusters, by either feature, that become edges
_LEAST_EVIDENCE = 0.02  # linkage per item of the smaller cluster that makes an edge


def super_graph(
    embeddings: NDArray[np.float32],
    edges: NDArray[np.int64],
    linkage: NDArray[np.float32],
    members: NDArray[np.int64],
    *,
    random_state: int = 0,
) -> RelationalGraph:
    """Join and describe clusters by their mean features and by the linkage between their items.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        Of the items, rows of norm 1.
    edges : ndarray of shape (m, 2), int64
        Pairs of items.
    linkage : ndarray of shape (m,), float32
        Predicted for them.
    members : ndarray of shape (n,), int64
        Cluster of each item, 0..C-1, none empty.
    random_state : int
        Seed of the approximate neighbour search.

    Returns
    -------
    RelationalGraph
        Of C nodes; C >= 2.
    """
    identity, cluster = sum_over_clusters(embeddings, edges, linkage, members)
    evidence = gather_evidence(edges, linkage, members)
    return graph_of_clusters(identity, cluster, evidence, random_state=random_state)


def graph_of_clusters(
    identity: NDArray[np.float32], cluster: NDArray[np.float32], evidence: Evidence, *, random_state: int = 0
) -> RelationalGraph:
    """Do what `super_graph` does, from the sums of the clusters' features.

    Parameters
    ----------
    identity, cluster : ndarray of shape (C, d), float32
        Sums of the items' embeddings and of their cluster features.
    evidence : Evidence
        Of their links.
    random_state
        As in `super_graph`.
    """
    sizes, pairs = evidence.sizes, evidence.pairs
    n = len(sizes)
    identity, cluster = _unit_rows(identity), _unit_rows(cluster)
    nearest = [nearest_neighbors(features, N_CONTEXT, random_state=random_state) for features in (identity, cluster)]

    smaller = np.minimum(sizes[pairs // n], sizes[pairs % n])
    evident = pairs[evidence.total > _LEAST_EVIDENCE * smaller]

    near = [undirected_edges(neighbors, n_candidates=_N_CANDIDATES) for neighbors, _ in nearest]
    candidates = np.concatenate([*near, np.stack([evident // n, evident % n], axis=1)])
    found = sorted_pairs(candidates[:, 0], candidates[:, 1], n)
    i, j = found.T
    n_pairs = sizes[i] * sizes[j]
    total, count, largest = look_up(pairs, (evidence.total, evidence.count, evidence.largest), i * n + j)
    cohesion = np.where(sizes > 1, evidence.within / np.maximum(sizes * (sizes - 1) / 2, 1), 1.0)
    columns = [total / n_pairs, count / n_pairs, largest]
    for per_node in (np.log(sizes), cohesion):
        columns += [np.minimum(per_node[i], per_node[j]), np.maximum(per_node[i], per_node[j])]
    known = np.concatenate([np.stack(columns, axis=1, dtype=np.float32), size_context(sizes, found)], axis=1)
    by_identity, by_cluster = (Relations(*of) for of in ((identity, *nearest[0]), (cluster, *nearest[1])))

    def describe(rows: Rows) -> NDArray[np.float32]:
        features = np.empty((len(found[rows]), len(CLUSTER_EDGE_FEATURES)), np.float32)
        by_identity.write(found[rows], features)
        by_cluster.write(found[rows], features, len(FEATURE_NAMES))
        features[:, N_RELATIONS:] = known[rows]
        return features

    return assemble(found, describe, sizes)


def _unit_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
