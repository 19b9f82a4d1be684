"""hilander's own model: relations between items, and then between clusters of items, into two RelationalLanders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hilander.graph.cluster_features import sum_over_clusters
from hilander.graph.evidence import Evidence, gather_evidence
from hilander.graph.relational_graph import RelationalGraph, first_graph, next_graph
from hilander.graph.super_graph import graph_of_clusters
from hilander.hierarchy.decode import Links
from hilander.hierarchy.levels import LevelGraph
from hilander.models.clustering_model import ClusteringModel
from hilander.models.relational_attachment import RelationalAttachment
from hilander.models.similarity import link_by_similarity
from hilander.nn.chunked_lander import link_in_chunks
from hilander.nn.context_network import ContextNetwork
from hilander.nn.device import resolve_device
from hilander.nn.relational_lander import RelationalLander

FEWEST_ITEMS = 9  # of a set whose relations say more than the similarities do


class RelationalLanders(nn.Module):
    """The networks of a trained model.

    Parameters
    ----------
    items : RelationalLander
        Links items, in both passes.
    clusters : RelationalLander
        Links clusters of items.
    context : ContextNetwork, optional
        Corrects the linkage of items by what is usual in their set; absent from models of a single labelled set.
    """

    def __init__(self, items: RelationalLander, clusters: RelationalLander, context: ContextNetwork | None = None):
        super().__init__()
        self.items = items
        self.clusters = clusters
        self.context = context


@dataclass(frozen=True)
class LinkedGraph:
    """A graph with what a network says of it.

    Attributes
    ----------
    graph : RelationalGraph
    linkage : ndarray of shape (m,), float32
        Probability of each edge that its ends are of one class.
    density : ndarray of shape (n,), float32
        Of each node.
    """

    graph: RelationalGraph
    linkage: NDArray[np.float32]
    density: NDArray[np.float32]


def link_items(
    network: RelationalLander,
    embeddings: NDArray[np.float32],
    neighbors: NDArray[np.int64],
    similarities: NDArray[np.float32],
    *,
    show_progress: bool = False,
) -> LinkedGraph:
    """Link nearest neighbours, rebuild the graph with what was found, and link that.

    Parameters
    ----------
    network : RelationalLander
        The one for items.
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1, n >= 2.
    neighbors, similarities : ndarray of shape (n, k), int64 and float32
        From `hilander.graph.knn.nearest_neighbors`, k = 40 where n allows.
    show_progress : bool
    """

    def rebuilt() -> RelationalGraph:
        first = predict(network, first_graph(embeddings, neighbors, similarities), show_progress=show_progress)
        return next_graph(embeddings, neighbors, similarities, first.graph, first.linkage, show_progress=show_progress)

    # `predict` alone holds the graph, and so can free what is read.
    return predict(network, rebuilt(), show_progress=show_progress)


def predict(network: RelationalLander, graph: RelationalGraph, *, show_progress: bool = False) -> LinkedGraph:
    """Return linkage and density on one graph."""
    if network.feature_mean.device.type == "cpu":
        # What features are made from is freed as soon as they are read.
        chunks, graph = graph.feature_chunks(), graph.without_features()
        return LinkedGraph(graph, *link_in_chunks(network, chunks, graph.edges, graph.degrees, show_progress))
    with torch.inference_mode():
        logits, density = network.eval()(*graph_tensors(graph, network.feature_mean.device))
    return LinkedGraph(graph, logits[-1].sigmoid().cpu().numpy(), density.cpu().numpy())


def graph_tensors(graph: RelationalGraph, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a graph as the arguments of `RelationalLander.forward`."""
    arrays = graph.features, graph.edges, graph.triangles, graph.degrees
    features, edges, triangles, degrees = (torch.from_numpy(array).to(device) for array in arrays)
    return features, edges, triangles, degrees


@dataclass
class RelationalModel(ClusteringModel):
    """Links items by their relations, and clusters by those of their items; no raw coordinate of an embedding enters.

    So a model does not depend on the width of the embeddings.

    Attributes
    ----------
    landers : RelationalLanders
    device : str
        "auto", "cpu" or "cuda".
    """

    landers: RelationalLanders = field(kw_only=True)
    device: str = "auto"

    variant: ClassVar[str] = "hilander"
    fewest_items: ClassVar[int] = FEWEST_ITEMS

    @classmethod
    def build(cls, architecture: dict[str, Any], *, device: str = "auto", **common: Any) -> RelationalModel:
        """Make an untrained model from its `architecture`."""
        items, clusters = (RelationalLander(**architecture[name]) for name in ("items", "clusters"))
        context = ContextNetwork(**architecture["context"]) if "context" in architecture else None
        return cls(**common, landers=RelationalLanders(items, clusters, context), device=device)

    def link(self, graph: LevelGraph) -> Links:
        """Link items at level 0, in two passes, and above it clusters, on the evidence of their items' links."""
        return self.linker()(graph)

    def linker(self) -> Callable[[LevelGraph], Links]:
        """Return a `link` for the levels of one clustering, see `RelationalLevels`."""
        return RelationalLevels(self.landers.to(resolve_device(self.device))).link

    def attach(self, embeddings: NDArray[np.float32], n_neighbors: int) -> RelationalAttachment:
        """Return what links new points to these fitted ones; see `hilander.models.relational_attachment`."""
        network = self.landers.to(resolve_device(self.device)).items
        return RelationalAttachment(network, embeddings, n_neighbors)

    def network(self) -> RelationalLanders:
        """All networks."""
        return self.landers

    def architecture(self) -> dict[str, Any]:
        """Arguments of each network that there is."""
        return {name: network.settings for name, network in self.landers.named_children()}


class RelationalLevels:
    """Links the levels of one clustering.

    What the features and the links of the first level's clusters sum up to is kept: those above are made of these
    clusters.

    Parameters
    ----------
    landers : RelationalLanders
    """

    def __init__(self, landers: RelationalLanders) -> None:
        self._landers = landers
        self._kept: tuple[NDArray[np.int64], _Sums] | None = None

    def link(self, graph: LevelGraph) -> Links:
        """Return the links of a level, from those of the levels below.

        Of fewer than `FEWEST_ITEMS` items, in which all are neighbours of all, the similarity decides on level 0.
        """
        if len(graph.nodes.members) < FEWEST_ITEMS:
            return link_by_similarity(graph.nodes.features) if graph.below is None else _no_links(len(graph.nodes))
        if graph.below is None:
            return from_denser(self.in_context(self.link_items(graph)))
        lowest = graph
        while lowest.below is not None and lowest.below.graph.below is not None:
            lowest = lowest.below.graph
        assert lowest.below is not None
        sums = self._sums(lowest, lowest.below.links)
        if graph is not lowest:
            sums = sums.merged(lowest.nodes.members, graph.nodes.members)
        return from_denser(predict(self._landers.clusters, graph_of_clusters(*sums)))

    def link_items(self, graph: LevelGraph) -> LinkedGraph:
        """Link the items of level 0."""
        embeddings, lists = graph.nodes.features, (graph.neighbors, graph.similarities)
        return link_items(self._landers.items, embeddings, *lists, show_progress=graph.show_progress)

    def in_context(self, found: LinkedGraph) -> LinkedGraph:
        """Correct the linkage of items by what is usual among them, where the model has a network for that."""
        context = self._landers.context
        if context is None:
            return found
        return replace(found, linkage=context.correct(found.linkage, found.graph.edges, found.graph.n_nodes))

    def sum_items(
        self, graph: LevelGraph, edges: NDArray[np.int64], linkage: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the sums of the embeddings, and of the cluster features, of the items of each node (C, d)."""
        assert graph.below is not None
        return sum_over_clusters(graph.below.graph.nodes.features, edges, linkage, graph.nodes.members)

    def _sums(self, lowest: LevelGraph, links: Links) -> _Sums:
        members = lowest.nodes.members
        if self._kept is None or not np.array_equal(self._kept[0], members):
            edges = np.stack([links.source, links.target], axis=1)
            features = self.sum_items(lowest, edges, links.linkage)
            self._kept = members, _Sums(*features, gather_evidence(edges, links.linkage, members))
        return self._kept[1]


class _Sums(NamedTuple):
    """What is known of clusters: the sums of their items' features (C, d) and links."""

    identity: NDArray[np.float32]
    cluster: NDArray[np.float32]
    evidence: Evidence

    def merged(self, members: NDArray[np.int64], merged: NDArray[np.int64]) -> _Sums:
        """Return that of clusters of these clusters; both arguments give the cluster of every item."""
        n = len(self.identity)
        cluster_of = np.empty(n, np.int64)
        cluster_of[members] = merged
        belongs = sp.csr_array((np.ones(n, np.float32), (cluster_of, np.arange(n))))
        return _Sums(belongs @ self.identity, belongs @ self.cluster, self.evidence.merged(cluster_of))


def from_denser(linked: LinkedGraph) -> Links:
    """Every pair once, directed from its denser end, as tree decoding wants it."""
    i, j = linked.graph.edges.T
    falling = linked.density[i] >= linked.density[j]
    return Links(np.where(falling, i, j), np.where(falling, j, i), linked.linkage, linked.density)


def _no_links(n_nodes: int) -> Links:
    none = np.empty(0, np.int64)
    return Links(none, none, np.empty(0, np.float32), np.zeros(n_nodes, np.float32))
