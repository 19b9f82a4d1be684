"""The relational features of edges between neighbours, which carry over to classes never seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.graph.pairs import N_CANDIDATES
from hilander.graph.relation_kernels import count_listed, describe_edges, smooth_embeddings
from hilander.graph.threads import Spares, by_threads
from hilander.paged_arrays import let_go, rows_near

N_CONTEXT = 40  # nearest neighbours that describe the neighbourhood of a node

FEATURE_NAMES = (
    "similarity",
    "log_rank_min",
    "log_rank_max",
    "shared_5",
    "shared_10",
    "shared_20",
    "shared_40",
    "adamic_adar",
    "similarity_1_min",
    "similarity_1_max",
    "similarity_5_min",
    "similarity_5_max",
    "similarity_10_min",
    "similarity_10_max",
    "similarity_40_min",
    "similarity_40_max",
    "log_in_degree_min",
    "log_in_degree_max",
    "zscore_min",
    "zscore_max",
    "above_neighborhood",
    "below_nearest_min",
    "below_nearest_max",
    "smoothed_4",
    "half_smoothed_4_min",
    "half_smoothed_4_max",
    "smoothed_10",
    "half_smoothed_10_min",
    "half_smoothed_10_max",
)

_SMOOTHING_SIZES = (4, 10)
SMOOTHED_NEIGHBORS = max(_SMOOTHING_SIZES)  # whose embeddings are looked at beside those of the ends
_UNRANKED = 60  # rank given to an end that the other one's list of 40 does not hold; in longer lists the last one
_LOG_RANKS = np.log(np.arange(1, _UNRANKED + 1)).astype(np.float32)
_LOCAL_SIZES = (1, 5, 10, N_CONTEXT)
_EDGES_PER_RANGE = 1 << 15  # bounds the smoothed embeddings that are held: those of the nodes at these edges
_RANGES_RESIDENT = 2
_NODES_PER_BLOCK = 1 << 9  # that one thread works on
_EDGES_PER_BLOCK = 1 << 12


def relational_features(
    embeddings: NDArray[np.float32],
    neighbors: NDArray[np.int64],
    similarities: NDArray[np.float32],
    edges: NDArray[np.int64],
    in_degree: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Describe each edge by how its ends stand to each other and to their neighbourhoods.

    No coordinate of an embedding enters, so what is learned from these features depends neither on the embedding's
    width nor on the classes: similarity; ranks in either list; neighbours shared among the 5, 10, 20 and 40 nearest
    and their Adamic-Adar index; each end's mean similarity to its 1, 5, 10 and 40 nearest and its in-degree; the
    similarity relative to those; cosines of embeddings smoothed over 4 and 10 neighbours. Properties of one end
    come as (min, max) over both, so every feature is symmetric.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1.
    neighbors : ndarray of shape (n, k), int64
        Nearest neighbours, nearest first, the node itself excluded; k = 40 where n allows.
    similarities : ndarray of shape (n, k), float32
        Cosine similarity to each of them.
    edges : ndarray of shape (m, 2), int64
        Pairs to describe, sorted by their first node.
    in_degree : ndarray of shape (n,), int64, optional
        How many lists of 20 hold each node; where this is a part of a graph, those of the whole.

    Returns
    -------
    ndarray of shape (m, 29), float32
        Columns in the order of `FEATURE_NAMES`.
    """
    features = np.empty((len(edges), len(FEATURE_NAMES)), np.float32)
    Relations(embeddings, neighbors, similarities, in_degree).write(edges, features)
    return features


def in_degrees(neighbors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many lists of 20 hold each of n nodes, from the lists (n, k)."""
    counts = np.zeros(len(neighbors), np.int64)
    count_listed(neighbors[:, :N_CANDIDATES], counts)
    let_go(neighbors)
    return counts


class Relations:
    """Makes `relational_features` range by range, so that those of all edges need not be held at once.

    Parameters
    ----------
    embeddings, neighbors, similarities, in_degree
        As in `relational_features`.
    """

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        neighbors: NDArray[np.int64],
        similarities: NDArray[np.float32],
        in_degree: NDArray[np.int64] | None = None,
    ) -> None:
        n = len(embeddings)
        if in_degree is None:
            in_degree = in_degrees(neighbors)
        self._embeddings, self._neighbors, self._similarities = embeddings, neighbors, similarities
        per_node = [similarities[:, :size].mean(axis=1) for size in _LOCAL_SIZES]
        per_node += [np.log1p(in_degree), 1 / (similarities.std(axis=1) + 1e-3)]
        self._per_node = np.stack(per_node, axis=1, dtype=np.float32)
        let_go(similarities)
        self._weight = (1 / np.log(2.0 + in_degree)).astype(np.float32)
        self._row_of = np.zeros(n, np.int32)  # where the smoothed embeddings of a node of the range at hand stand
        self._smoothed = np.empty((0, 0, 0), np.float32)
        self._n_written = 0
        n_listed, k = neighbors.shape
        self._positions = Spares(lambda: np.full(n_listed, k, np.int32))  # no method of this object: a cycle holds all

    def write(self, edges: NDArray[np.int64], features: NDArray[np.float32], column: int = 0) -> None:
        """Fill in the 29 features of some edges, sorted by their first node, from some column of `features` on."""
        for start in range(0, len(edges), _EDGES_PER_RANGE):
            rows = slice(start, start + _EDGES_PER_RANGE)
            self._write(edges[rows], features[rows], column)

    def _write(self, edges: NDArray[np.int64], features: NDArray[np.float32], column: int) -> None:
        touched = np.zeros(len(self._row_of), np.bool_)
        touched[edges] = True
        nodes = np.flatnonzero(touched)
        self._row_of[nodes] = np.arange(len(nodes), dtype=np.int32)
        smoothed = self._room_for(len(nodes))
        sizes = np.array(_SMOOTHING_SIZES)

        def smooth(block: slice) -> None:
            smooth_embeddings(
                self._embeddings, self._neighbors, self._similarities, nodes[block], sizes, smoothed[block]
            )

        def describe(block: slice) -> None:
            positions = self._positions.take()
            describe_edges(
                edges[block],
                positions,
                self._embeddings,
                self._neighbors,
                self._per_node,
                self._weight,
                smoothed,
                self._row_of,
                _LOG_RANKS,
                features[block],
                column,
            )
            self._positions.give_back(positions)

        by_threads(smooth, len(nodes), _NODES_PER_BLOCK)
        by_threads(describe, len(edges), _EDGES_PER_BLOCK)
        self._n_written += 1
        if self._n_written % _RANGES_RESIDENT == 0:  # what the next range looks at is mostly there already
            first = int(edges[0, 0])
            for array in (self._embeddings, self._neighbors, self._similarities):
                let_go(array, but=rows_near(first, first))

    def _room_for(self, n_nodes: int) -> NDArray[np.float32]:
        """Room for smoothed embeddings, the same each time: fresh memory costs more than what is computed there."""
        if len(self._smoothed) < n_nodes:
            shape = n_nodes + n_nodes // 4, len(_SMOOTHING_SIZES), self._embeddings.shape[1]
            self._smoothed = np.empty(shape, np.float32)
        return self._smoothed[:n_nodes]
