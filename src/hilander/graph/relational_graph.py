"""The graphs of single items that RelationalLander reads: of nearest neighbours, and rebuilt with a first linkage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.graph.cluster_features import cluster_features
from hilander.graph.incidence import Incidence, incidence
from hilander.graph.knn import nearest_neighbors
from hilander.graph.pairs import undirected_edges
from hilander.graph.relations import FEATURE_NAMES, N_CONTEXT, Relations
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

N_RELATIONS = 2 * len(FEATURE_NAMES)  # how many of these are relations, by identity and by cluster features

EDGES_PER_CHUNK = 1 << 16  # whose features are made at once, 17 MB: longer arrays cost a page fault per page

_EDGES_DESCRIBED_ONCE = 1 << 20  # 270 MB: of larger graphs only those features are made that are asked for

Rows = slice | NDArray[np.int64]
Neighborhoods = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]  # features, neighbours, similarities


@dataclass(frozen=True)
class RelationalGraph:
    """Undirected graph with described edges; its nodes are items or clusters of them.

    Attributes
    ----------
    edges : ndarray of shape (m, 2), int64
        Each pair once, ``edges[:, 0] < edges[:, 1]``, sorted.
    describe : callable
        From rows of the edges, a slice or ascending numbers, to their features.
    degrees : ndarray of shape (n,), float32
        Edges at each node in the whole graph.
    sizes : ndarray of shape (n,), int64
        Items that each node stands for.
    """

    edges: NDArray[np.int64]
    describe: Callable[[Rows], NDArray[np.float32]]
    degrees: NDArray[np.float32]
    sizes: NDArray[np.int64]

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.degrees)

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """All features (m, f): `EDGE_FEATURES`, and of clusters more; column 0 is the cosine similarity."""
        features = np.empty((len(self.edges), self.describe(slice(0)).shape[1]), np.float32)
        start = 0
        for chunk in self.feature_chunks():
            features[start : start + len(chunk)] = chunk
            start += len(chunk)
        return features

    def features_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the features of some edges, ascending rows; those of all are made once and kept where they are few."""
        return self.features[rows] if len(self.edges) <= _EDGES_DESCRIBED_ONCE else self.describe(rows)

    def feature_chunks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the features of all edges in their order, made chunk by chunk unless all are there already."""
        describe = self.features.__getitem__ if "features" in vars(self) else self.describe
        for start in range(0, len(self.edges), EDGES_PER_CHUNK):
            yield describe(slice(start, start + EDGES_PER_CHUNK))

    def without_features(self) -> RelationalGraph:
        """Return the graph without what its features are made from, which is larger than all else."""
        return replace(self, describe=forgotten)

    @cached_property
    def triangles(self) -> NDArray[np.int32]:
        """Rows of `edges` that form triangles, (t, 3)."""
        return triangles(self.edges, self.n_nodes)

    @cached_property
    def incidence(self) -> Incidence:
        """The edges at each node."""
        return incidence(self.edges, self.n_nodes)


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
    relations = Relations(embeddings, neighbors, similarities)

    def describe(rows: Rows) -> NDArray[np.float32]:
        features = item_features(len(edges[rows]))
        relations.write(edges[rows], features)
        features[:, len(FEATURE_NAMES) : N_RELATIONS] = features[:, : len(FEATURE_NAMES)]
        return features

    return assemble(edges, describe, np.ones(len(embeddings), np.int64))


def next_graph(
    embeddings: NDArray[np.float32],
    neighbors: NDArray[np.int64],
    similarities: NDArray[np.float32],
    before: RelationalGraph,
    linkage: NDArray[np.float32],
    *,
    show_progress: bool = False,
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
    show_progress : bool
        Of the search for neighbours by cluster features.
    """
    clusters = cluster_features(embeddings, before.edges, linkage)
    found = nearest_neighbors(clusters, N_CONTEXT, show_progress=show_progress)
    return graph_of_both((embeddings, neighbors, similarities), (clusters, *found), before.edges, linkage)


def graph_of_both(
    items: Neighborhoods, clusters: Neighborhoods, edges_before: NDArray[np.int64], linkage: NDArray[np.float32]
) -> RelationalGraph:
    """Join and describe the nodes by their identity features and by their cluster features.

    Parameters
    ----------
    items, clusters : tuple of three ndarrays
        Features (n, d), their nearest neighbours (n, k) and similarities (n, k).
    edges_before, linkage : ndarray of shape (m, 2) and (m,)
        The last graph and what was predicted on it.
    """
    n = len(items[0])
    edges = undirected_edges(items[1], clusters[1])
    by_identity, by_cluster = Relations(*items), Relations(*clusters)

    def describe(rows: Rows) -> NDArray[np.float32]:
        pairs = edges[rows]
        features = item_features(len(pairs))
        by_identity.write(pairs, features)
        by_cluster.write(pairs, features, len(FEATURE_NAMES))
        write_known(features, known_linkage(edges_before, linkage, pairs, n))
        return features

    return assemble(edges, describe, np.ones(n, np.int64))


def assemble(
    edges: NDArray[np.int64], describe: Callable[[Rows], NDArray[np.float32]], sizes: NDArray[np.int64]
) -> RelationalGraph:
    """Complete a graph by its degrees."""
    degrees = np.bincount(edges.ravel(), minlength=len(sizes)).astype(np.float32)
    return RelationalGraph(edges, describe, degrees, sizes)


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


def known_linkage(
    edges_before: NDArray[np.int64], linkage: NDArray[np.float32], edges: NDArray[np.int64], n_nodes: int
) -> NDArray[np.float32]:
    """Return, for each of `edges`, its linkage before and whether it was an edge then, (m, 2); both sorted."""
    start, stop = np.searchsorted(edges_before[:, 0], [edges[0, 0], edges[-1, 0] + 1]) if len(edges) else (0, 0)
    before = edges_before[start:stop]
    keys, wanted = (pairs[:, 0] * n_nodes + pairs[:, 1] for pairs in (before, edges))
    values = linkage[start:stop], np.ones(len(before), np.float32)
    return np.stack(look_up(keys, values, wanted), axis=1, dtype=np.float32)


def item_features(m: int) -> NDArray[np.float32]:
    """Return features (m, 65) of pairs of single items of which nothing is known yet but their log size 0, cohesion 1.

    What `EDGE_FEATURES` begins with, up to ``cluster_…``, holds no particular values.
    """
    features = np.empty((m, len(EDGE_FEATURES)), np.float32)
    features[:, N_RELATIONS:] = np.array([0, 0, 0, 0, 0, 1, 1], np.float32)
    return features


def write_known(features: NDArray[np.float32], known: NDArray[np.float32]) -> None:
    """Fill in what `known_linkage` says (m, 2); of two single items the largest linkage is the only one."""
    features[:, N_RELATIONS : N_RELATIONS + 2] = known
    features[:, N_RELATIONS + 2] = known[:, 0]


def forgotten(rows: Rows) -> NDArray[np.float32]:
    """Stand for the features of a graph that has been predicted on."""
    raise ValueError("the features of this graph were let go after it had been predicted on")
