"""The graphs of single items that RelationalLander reads: of nearest neighbours, and rebuilt with a first linkage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hilander.graph.knn import nearest_neighbors
from hilander.graph.relations import FEATURE_NAMES, N_CONTEXT, relational_features, sorted_pairs, undirected_edges
from hilander.graph.triangles import triangles

EDGE_FEATURES = (
    *(f"identity_{name}" for name in FEATURE_NAMES),
    *(f"cluster_{name}" for name in FEATURE_NAMES),
    "linkage_before",  # mean over the pairs of items of the two nodes
    "edges_before",  # share of these pairs that were edges
    "largest_linkage_before",
    "log_size_min",
    "log_size_max",
    "cohesion_min",  # mean linkage before between the items of one node
    "cohesion_max",
)

_LEAST_LINKAGE = 0.1  # weaker ties do not enter a cluster feature
_SMOOTHING_STEPS = 2


@dataclass(frozen=True)
class RelationalGraph:
    """Undirected graph with described edges; its nodes are items or clusters of them.

    Attributes
    ----------
    edges : ndarray of shape (m, 2), int64
        Each pair once, ``edges[:, 0] < edges[:, 1]``, sorted.
    features : ndarray of shape (m, 65), float32
        Columns in the order of `EDGE_FEATURES`; column 0 is the cosine similarity.
    triangles : ndarray of shape (t, 3), int32
        Rows of `edges` that form triangles.
    degrees : ndarray of shape (n,), float32
        Edges at each node in the whole graph.
    sizes : ndarray of shape (n,), int64
        Items that each node stands for.
    """

    edges: NDArray[np.int64]
    features: NDArray[np.float32]
    triangles: NDArray[np.int32]
    degrees: NDArray[np.float32]
    sizes: NDArray[np.int64]

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.degrees)

    @cached_property
    def adjacency(self) -> sp.csr_array:
        """Symmetric (n, n) matrix of ones."""
        return symmetric(self.edges, np.ones(len(self.edges), np.float32), self.n_nodes)


def first_graph(
    embeddings: NDArray[np.float32], neighbors: NDArray[np.int64], similarities: NDArray[np.float32]
) -> RelationalGraph:
    """Join each node to its 20 nearest neighbours, before anything is known of its cluster.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1.
    neighbors, similarities : ndarray of shape (n, k), int64 and float32
        Nearest neighbours, nearest first, the node itself excluded; k = 40 where n allows.
    """
    edges = undirected_edges(neighbors)
    identity = relational_features(embeddings, neighbors, similarities, edges)
    unknown = np.zeros((len(edges), 2), np.float32)
    return _item_graph(edges, identity, identity, unknown, len(embeddings))


def next_graph(
    embeddings: NDArray[np.float32],
    neighbors: NDArray[np.int64],
    similarities: NDArray[np.float32],
    before: RelationalGraph,
    linkage: NDArray[np.float32],
) -> RelationalGraph:
    """Join and describe the nodes anew, now also by the features of their likely clusters.

    As in Hi-LANDER every node has an identity feature, its embedding, and a cluster feature, the mean over its
    cluster; here softly, over its likely class mates. Class mates that are no neighbours by their own embeddings
    become neighbours by their clusters'.

    Parameters
    ----------
    embeddings, neighbors, similarities
        As in `first_graph`.
    before : RelationalGraph
        The last graph.
    linkage : ndarray of shape (m,), float32
        Predicted on its edges.
    """
    n = len(embeddings)
    clusters = cluster_features(embeddings, before.edges, linkage)
    cluster_neighbors, cluster_similarities = nearest_neighbors(clusters, N_CONTEXT)
    candidates = np.concatenate([undirected_edges(neighbors), undirected_edges(cluster_neighbors)])
    edges = sorted_pairs(candidates[:, 0], candidates[:, 1], n)
    identity = relational_features(embeddings, neighbors, similarities, edges)
    cluster = relational_features(clusters, cluster_neighbors, cluster_similarities, edges)
    keys, wanted = (pairs[:, 0] * n + pairs[:, 1] for pairs in (before.edges, edges))
    linkage_and_presence = look_up(keys, (linkage, np.ones_like(linkage)), wanted)
    known = np.stack(linkage_and_presence, axis=1, dtype=np.float32)
    return _item_graph(edges, identity, cluster, known, n)


def cluster_features(
    embeddings: NDArray[np.float32], edges: NDArray[np.int64], linkage: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Move each embedding towards its likely class mates: twice, x ← normalise(x + Σ_j p_ij x_j) over p_ij > .1.

    Returns
    -------
    ndarray of shape (n, d), float32
        Rows of norm 1.
    """
    likely = linkage > _LEAST_LINKAGE
    weights = symmetric(edges[likely], linkage[likely], len(embeddings))
    features = embeddings
    for _ in range(_SMOOTHING_STEPS):
        features = features + weights @ features
        features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return features


def assemble(edges: NDArray[np.int64], features: NDArray[np.float32], sizes: NDArray[np.int64]) -> RelationalGraph:
    """Complete a graph by its triangles and degrees."""
    degrees = np.bincount(edges.ravel(), minlength=len(sizes)).astype(np.float32)
    return RelationalGraph(edges, features, triangles(edges, len(sizes)), degrees, sizes)


def symmetric(edges: NDArray[np.int64], weights: NDArray[np.float32], n_nodes: int) -> sp.csr_array:
    """Return the (n_nodes, n_nodes) matrix that holds each edge's weight in both directions."""
    upper = sp.coo_array((weights, (edges[:, 0], edges[:, 1])), shape=(n_nodes, n_nodes)).tocsr()
    return (upper + upper.T).tocsr()


def look_up(keys: NDArray[np.int64], values: Sequence[NDArray[Any]], wanted: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Return the values of the wanted keys, 0 where a key is absent.

    Parameters
    ----------
    keys : ndarray of shape (m,), int64
        Sorted, each once.
    values : sequence of ndarray of shape (m,)
        Of the keys.
    wanted : ndarray of shape (w,), int64

    Returns
    -------
    list of ndarray of shape (w,)
        One for each of `values`, of its dtype.

    Examples
    --------
    >>> look_up(np.array([2, 5, 9]), [np.array([20, 50, 90])], np.array([5, 6, 10, 2]))
    [array([50,  0,  0, 20])]
    """
    if len(keys) == 0:
        return [np.zeros(len(wanted), value.dtype) for value in values]
    position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    present = keys[position] == wanted
    return [np.where(present, value[position], 0) for value in values]


def _item_graph(
    edges: NDArray[np.int64],
    identity: NDArray[np.float32],
    cluster: NDArray[np.float32],
    known: NDArray[np.float32],
    n: int,
) -> RelationalGraph:
    """Fill in what holds of single items: the largest linkage is the only one, log size 0, cohesion 1."""
    single = np.tile(np.array([0, 0, 1, 1], np.float32), (len(edges), 1))
    features = np.concatenate([identity, cluster, known, known[:, :1], single], axis=1)
    return assemble(edges, features, np.ones(n, np.int64))
