"""The levels of graphs that LANDER is trained on, built with the true density of labelled classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hilander.graph.build import build_graph, dgl
from hilander.graph.knn import nearest_neighbors
from hilander.graph.targets import density_of, true_linkage
from hilander.hierarchy.decode import Links, tree_parents
from hilander.hierarchy.levels import LevelGraph, build_levels
from hilander.models.published import node_features


@dataclass(frozen=True)
class TrainingGraph:
    """One level's graph with what it should predict.

    Attributes
    ----------
    graph : dgl.DGLGraph
        n nodes, n·k edges, grouped by destination.
    features : Tensor of shape (n, n_features), float32
    linkage : Tensor of shape (n·k,), float32
        y_ij.
    density : Tensor of shape (n,), float32
        d_i.
    """

    graph: dgl.DGLGraph
    features: torch.Tensor
    linkage: torch.Tensor
    density: torch.Tensor


def build_training_graphs(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_neighbors: Sequence[int] = (10, 5, 3),
    n_levels: Sequence[int] = (2, 3, 4),
    use_cluster_features: bool = True,
    random_state: int = 0,
    neighbors: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
) -> list[TrainingGraph]:
    """Return the graphs of every (k, levels) pair, so that the network sees every level (Xing et al. 2021, section 4).

    Levels are merged along the most similar in-edge from a node of higher true density, as published: this
    looks at no label of the edge itself, so upper levels hold some wrong merges.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised.
    labels : ndarray of shape (n,), int64
    n_neighbors, n_levels : sequences of int, of equal length
        k, and how many levels are built with it.
    use_cluster_features : bool
    random_state : int
    neighbors : tuple of ndarrays of shape (n, >= max(n_neighbors)), optional
        Neighbours and similarities, where they are known already.
    """
    nearest = neighbors
    if nearest is None or nearest[0].shape[1] < min(max(n_neighbors), len(embeddings) - 1):
        nearest = nearest_neighbors(embeddings, max(n_neighbors), random_state=random_state)
    graphs = []

    def link(graph: LevelGraph) -> Links:
        linkage = true_linkage(graph.neighbors, labels[graph.nodes.peaks])
        density = density_of(graph.similarities, linkage)
        graphs.append(
            TrainingGraph(
                build_graph(graph.neighbors, graph.similarities),
                torch.from_numpy(node_features(graph.nodes, use_cluster_features)),
                torch.from_numpy(linkage).reshape(-1),
                torch.from_numpy(density),
            )
        )
        n, k = graph.neighbors.shape
        return Links(graph.neighbors.ravel(), np.repeat(np.arange(n), k), graph.similarities.ravel(), density)

    for k, levels in zip(n_neighbors, n_levels, strict=True):
        for _ in build_levels(
            embeddings, link, lambda links, _: tree_parents(links, 0.0),
            n_neighbors=k, max_levels=levels, neighbors=nearest, random_state=random_state,
        ):  # fmt: skip
            pass
    return graphs
