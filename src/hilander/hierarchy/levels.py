"""The one loop of levels that training and inference share: neighbours, links, clusters, super-nodes, and again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hilander.graph.knn import nearest_neighbors
from hilander.hierarchy.decode import Links
from hilander.hierarchy.next_level import Nodes, first_level, next_level

logger = logging.getLogger(__name__)

MAX_LEVELS = 10  # the published cap


@dataclass(frozen=True)
class LevelGraph:
    """One level before anything is predicted on it.

    Attributes
    ----------
    nodes : Nodes
    neighbors : ndarray of shape (n_nodes, k), int64
    similarities : ndarray of shape (n_nodes, k), float32
    below : Level or None
        The level that this one was merged from.
    number : int
        0 for the items' own.
    show_progress : bool
        Whether what is predicted on it draws progress bars.
    """

    nodes: Nodes
    neighbors: NDArray[np.int64]
    similarities: NDArray[np.float32]
    below: Level | None = None
    number: int = 0
    show_progress: bool = False


@dataclass(frozen=True)
class Level:
    """One finished level.

    Attributes
    ----------
    graph : LevelGraph
    links : Links
    parents : ndarray of shape (n_nodes,), int64
        The forest; a peak is its own parent.
    merged : Nodes
        The clusters: the next level's nodes.
    """

    graph: LevelGraph
    links: Links
    parents: NDArray[np.int64]
    merged: Nodes

    @property
    def n_nodes(self) -> int:
        """Nodes that the level started with."""
        return len(self.parents)

    @property
    def n_edges(self) -> int:
        """Nodes that found a parent."""
        return self.n_nodes - len(self.merged)

    @property
    def n_clusters(self) -> int:
        """Clusters that the level ended with."""
        return len(self.merged)


def build_levels(
    embeddings: NDArray[np.float32],
    link: Callable[[LevelGraph], Links],
    decode: Callable[[Links, LevelGraph], NDArray[np.int64]],
    *,
    n_neighbors: int,
    max_levels: int = MAX_LEVELS,
    early_stop: bool = False,
    neighbors: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
    search_features: str = "identity",
    random_state: int = 0,
    show_progress: bool = False,
) -> Iterator[Level]:
    """Yield level after level until one adds no edge.

    Training passes the true linkage and density as `link`; inference passes a model's.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised.
    link : callable
        From a level's graph to its links.
    decode : callable
        From links and the level's graph to parents (n_nodes,).
    n_neighbors : int
        Neighbours per node (k) at every level.
    max_levels : int
        L, at most so many levels.
    early_stop : bool
        The published rule: also stop where (edges of the last level) / (edges of this one) < k − 1.
    neighbors : tuple of ndarrays of shape (n, >= k), optional
        Neighbours and similarities of level 0, where they are known already.
    search_features : {"identity", "cluster", "none"}
        What the neighbours of levels above 0 are searched by: the peaks' features, as published, the normalised
        mean features, or nothing, where the model finds its candidates itself.
    random_state : int
        Seed of the approximate neighbour search.
    show_progress : bool
        Draw progress bars of the levels, and of what is done on level 0, beside which those above take little time.
    """
    nodes, below, previous_edges = first_level(embeddings), None, np.inf
    with tqdm(total=max_levels, desc="levels", unit="level", disable=not show_progress) as bar:
        for number in range(max_levels):
            if len(nodes) < 2:
                return
            if number == 0 and neighbors is not None:
                found = neighbors[0][:, :n_neighbors], neighbors[1][:, :n_neighbors]
            elif number > 0 and search_features == "none":
                found = np.empty((len(nodes), 0), np.int64), np.empty((len(nodes), 0), np.float32)
            else:
                found = nearest_neighbors(
                    _searched(nodes, search_features),
                    n_neighbors,
                    random_state=random_state,
                    show_progress=show_progress and number == 0,
                )
            graph = LevelGraph(nodes, *found, below=below, number=number, show_progress=show_progress and number == 0)
            links = link(graph)
            parents = decode(links, graph)
            merged = next_level(nodes, parents, None if search_features == "none" else embeddings)
            level = Level(graph, links, parents, merged)
            bar.set_postfix(clusters=level.n_clusters)
            bar.update()
            figures = number, level.n_nodes, level.n_edges, level.n_clusters
            logger.info("level %d: %d nodes, %d edges, %d clusters", *figures)
            yield level
            if level.n_edges == 0 or (early_stop and previous_edges / level.n_edges < n_neighbors - 1):
                return
            nodes, below, previous_edges = level.merged, level, level.n_edges


def _searched(nodes: Nodes, search_features: str) -> NDArray[np.float32]:
    if search_features != "cluster":
        return nodes.features
    norms = np.linalg.norm(nodes.cluster_features, axis=1, keepdims=True)
    # Members that cancel out leave a mean of zero, which has no direction; the peak's own stands in for it.
    return np.where(norms > 1e-6, nodes.cluster_features / np.maximum(norms, 1e-6), nodes.features)
