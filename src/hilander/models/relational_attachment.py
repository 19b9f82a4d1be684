"""New points on the relational graphs of fitted ones, of which everything is computed once."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from hilander.graph.attached_edges import FittedNeighborhoods, attached_triangles
from hilander.graph.cluster_features import LEAST_LINKAGE, cluster_feature_steps, moved
from hilander.graph.knn import nearest_neighbors, search_neighbors
from hilander.graph.pairs import N_CANDIDATES
from hilander.graph.quantization import Quantized, quantize
from hilander.graph.relational_graph import (
    N_RELATIONS,
    RelationalGraph,
    first_graph,
    graph_of_both,
    item_features,
    known_linkage,
    write_known,
)
from hilander.graph.relations import N_CONTEXT
from hilander.models.attachment import AttachedLinks, Attachment
from hilander.nn.fitted_lander import FittedLander
from hilander.nn.relational_lander import RelationalLander


class _Pass(NamedTuple):
    """The fitted points in one of the two passes: their graph's edges, and the network over it."""

    edges: NDArray[np.int64]
    starts: NDArray[np.int64]  # first edge of each point
    lander: FittedLander

    @classmethod
    def over(cls, network: RelationalLander, graph: RelationalGraph) -> _Pass:
        device = network.feature_mean.device
        features = (torch.from_numpy(chunk).to(device) for chunk in graph.feature_chunks())
        arrays = (torch.from_numpy(array).to(device) for array in (graph.edges, graph.triangles, graph.degrees))
        lander = FittedLander(network, features, *arrays)
        return cls(graph.edges, np.searchsorted(graph.edges[:, 0], np.arange(graph.n_nodes + 1)), lander)


class _Fitted(NamedTuple):
    """All that a new point can meet."""

    items: FittedNeighborhoods
    clusters: FittedNeighborhoods
    quantized: Quantized  # embeddings
    quantized_features: Quantized  # cluster features
    moved_once: NDArray[np.float32]  # embeddings on their way to the cluster features
    first: _Pass
    second: _Pass


class RelationalAttachment(Attachment):
    """Links new points as `hilander.models.relational.link_items` does, in two passes over the fitted points' graphs.

    What the networks computed of these graphs is kept, so that new points cost what their own edges cost, whatever n
    is: a new point changes a graph of n others little. Beside computing the whole graph anew with 20 % new points at
    once, where these also help each other, 98 % of the labels are the same on the built-in glyphs and 96 % on Omniglot
    (.80 of the glyphs go to a cluster of their own class, .81 there); beside doing so with each new point alone, as
    many. Linkages differ by .02 to .07 in the median. They are not corrected by what is usual in the set,
    as those of the fitted points may be.

    Parameters
    ----------
    network : RelationalLander
        The one for items.
    embeddings, n_neighbors
        See `Attachment`.
    """

    def __init__(self, network: RelationalLander, embeddings: NDArray[np.float32], n_neighbors: int) -> None:
        super().__init__(embeddings, n_neighbors)
        self.network = network

    @cached_property
    def _fitted(self) -> _Fitted:
        """Computed when the first point comes, since many clusterings are never added to."""
        items = FittedNeighborhoods(self.embeddings, *nearest_neighbors(self.embeddings, self.n_neighbors))
        first = _Pass.over(self.network, first_graph(*items.neighborhoods))
        linkage = first.lander.linkage.cpu().numpy()
        _, moved_once, features = cluster_feature_steps(self.embeddings, first.edges, linkage)
        clusters = FittedNeighborhoods(features, *nearest_neighbors(features, N_CONTEXT))
        both = graph_of_both(items.neighborhoods, clusters.neighborhoods, first.edges, linkage)
        second = _Pass.over(self.network, both)
        return _Fitted(items, clusters, quantize(self.embeddings), quantize(features), moved_once, first, second)

    def link(self, embeddings: NDArray[np.float32]) -> AttachedLinks:
        """Link new points, (n_new, d) float32, rows of norm 1, to fitted ones."""
        fitted, n, n_new = self._fitted, len(self.embeddings), len(embeddings)
        neighbors, similarities = search_neighbors(embeddings, fitted.quantized, self.n_neighbors)
        edges = _edges(neighbors[:, :N_CANDIDATES], n)
        identity = fitted.items.describe(embeddings, neighbors, similarities, edges)
        linkage = self._linkage(fitted.first, edges, _described(identity, identity), n_new)

        likely = linkage > LEAST_LINKAGE
        mates = sp.csr_array((linkage[likely], tuple(edges[likely].T)), shape=(n_new, n))
        features = moved(moved(embeddings, mates @ self.embeddings), mates @ fitted.moved_once)
        found = search_neighbors(features, fitted.quantized_features, fitted.clusters.neighbors.shape[1])

        before, edges = (
            edges,
            _edges(np.concatenate([neighbors[:, :N_CANDIDATES], found[0][:, :N_CANDIDATES]], axis=1), n),
        )
        described = _described(
            fitted.items.describe(embeddings, neighbors, similarities, edges),
            fitted.clusters.describe(features, *found, edges),
        )
        write_known(described, known_linkage(before, linkage, edges, n))
        return AttachedLinks(edges[:, 0], edges[:, 1], self._linkage(fitted.second, edges, described, n_new))

    def _linkage(
        self, fitted: _Pass, edges: NDArray[np.int64], features: NDArray[np.float32], n_new: int
    ) -> NDArray[np.float32]:
        triangles, sides = attached_triangles(edges, fitted.edges, fitted.starts)
        device = self.network.feature_mean.device
        arrays = [torch.from_numpy(array).to(device) for array in (features, edges, triangles, sides)]
        return fitted.lander.link(*arrays, n_new=n_new).cpu().numpy()


def _described(identity: NDArray[np.float32], cluster: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return features (e, 65) from the relations by identity and by cluster features, (e, 29) each."""
    features = item_features(len(identity))
    features[:, :N_RELATIONS] = np.concatenate([identity, cluster], axis=1)
    return features


def _edges(candidates: NDArray[np.int64], n_fitted: int) -> NDArray[np.int64]:
    """Return the unique pairs of new point and candidate, sorted, from candidates (n_new, c)."""
    new = np.repeat(np.arange(len(candidates)), candidates.shape[1])
    return np.stack(np.divmod(np.unique(new * n_fitted + candidates.ravel()), n_fitted), axis=1)
