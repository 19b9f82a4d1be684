"""New points to clusters that exist already."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hilander.graph.knn import nearest_neighbors, search_neighbors
from hilander.hierarchy.levels import LevelGraph
from hilander.hierarchy.next_level import first_level
from hilander.models.clustering_model import ClusteringModel

_NEIGHBORS_OF_NEIGHBORS = 20  # as many as make edges in a relational graph
_MOST = 0.5  # share of the fitted points beyond which a part of the graph costs as much as the whole


@dataclass(frozen=True)
class Assignment:
    """Where new points belong.

    Attributes
    ----------
    labels : ndarray of shape (n_new,), int64
        A cluster that exists, or -1: none of them.
    probabilities : ndarray of shape (n_new,), float32
        Mean linkage to the nearest members of that cluster; where the label is -1, 1 minus the likeliest link.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]


class Assigner:
    """Assigns new points to the clusters of fitted ones by the votes of their neighbours.

    New points join the graph of level 0 with their nearest fitted points for neighbours. The model's linkages on
    these edges vote; the cluster with the highest sum wins if it holds one link above the threshold. The fitted
    clusters do not change: the labels are not necessarily those that clustering all points together would give.

    The graph is that of the new points' neighbourhoods, not of all fitted points: their neighbours, and these ones'
    20 nearest. So one new point takes milliseconds whatever n is. To bare similarity and to a published model of one
    convolution and k <= 20 nothing else matters, and the links are those in the whole graph; the relational model
    looks a little further, which moves its linkages by some .02 and rarely a label. Where the neighbourhoods hold
    most points, as with many new points at once, the whole graph is linked.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        Fitted, distinct, L2-normalised.
    labels : ndarray of shape (n,), int64
        Their clusters; a point that is labelled -1 belongs to none: it is part of the graph and has no vote.
    model : ClusteringModel
    n_neighbors : int
        k.
    threshold : float
        p_τ.
    """

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        labels: NDArray[np.int64],
        model: ClusteringModel,
        *,
        n_neighbors: int,
        threshold: float,
    ) -> None:
        self.embeddings, self.labels, self.model, self.threshold = embeddings, labels, model, threshold
        self.n_neighbors = min(n_neighbors, max(len(embeddings) - 1, 1))

    @cached_property
    def _fitted_neighbors(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Searched at the first assignment, since many clusterings are never added to."""
        return nearest_neighbors(self.embeddings, self.n_neighbors)

    def assign(self, embeddings: NDArray[np.float32]) -> Assignment:
        """Assign new points, (n_new, d) float32, L2-normalised."""
        point, fitted, linkage = self._link(embeddings)
        votes = self.labels[fitted] >= 0
        point, fitted, linkage = point[votes], fitted[votes], linkage[votes]
        n_new, n_clusters = len(embeddings), max(int(self.labels.max()) + 1, 1)
        pairs, vote = np.unique(point * n_clusters + self.labels[fitted], return_inverse=True)
        voter, cluster = pairs // n_clusters, pairs % n_clusters
        total, count = np.bincount(vote, linkage), np.bincount(vote)
        likeliest = np.zeros(len(pairs))
        np.maximum.at(likeliest, vote, linkage)
        order = np.lexsort((cluster, -total, voter))
        winner = order[np.unique(voter[order], return_index=True)[1]]
        winner = winner[likeliest[winner] > self.threshold]
        likeliest_of_all = np.zeros(n_new)
        np.maximum.at(likeliest_of_all, voter, likeliest)
        labels, probabilities = np.full(n_new, -1), 1 - likeliest_of_all
        labels[voter[winner]] = cluster[winner]
        probabilities[voter[winner]] = total[winner] / count[winner]
        return Assignment(labels, probabilities.astype(np.float32))

    def _link(
        self, embeddings: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """New point, fitted point and linkage of every edge between the two kinds."""
        n = len(self.embeddings)
        neighbors, similarities = search_neighbors(embeddings, self.embeddings, self.n_neighbors + 1)
        if n == 1:  # a single fitted point has no graph of its own: similarity decides
            return np.arange(len(embeddings)), neighbors[:, 0], np.maximum(similarities[:, 0], 0)
        around, fitted_neighbors, fitted_similarities = self._graph_around(neighbors)
        n_around = len(around)
        links = self.model.link(
            LevelGraph(
                first_level(np.concatenate([self.embeddings[around], embeddings])),
                np.concatenate([fitted_neighbors, np.searchsorted(around, neighbors[:, : self.n_neighbors])]),
                np.concatenate([fitted_similarities, similarities[:, : self.n_neighbors]]),
            )
        )
        high, low = np.maximum(links.source, links.target), np.minimum(links.source, links.target)
        across = (high >= n_around) & (low < n_around)
        return high[across] - n_around, around[low[across]], links.linkage[across]

    def _graph_around(
        self, neighbors: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Fitted points around the new ones, ascending, with neighbours and similarities among themselves.

        `neighbors` are one more than k for each new point, so that there are enough of them to have k each.
        """
        n = len(self.embeddings)
        around = np.union1d(neighbors, self._fitted_neighbors[0][np.unique(neighbors), :_NEIGHBORS_OF_NEIGHBORS])
        if len(around) > _MOST * n:
            return np.arange(n), *self._fitted_neighbors
        return around, *nearest_neighbors(self.embeddings[around], self.n_neighbors)
