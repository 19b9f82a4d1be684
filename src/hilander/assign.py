"""New points to clusters that exist already."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hilander.graph.knn import search_neighbors
from hilander.graph.quantization import quantize
from hilander.models.attachment import ROWS_PER_BLOCK, AttachedLinks, Attachment
from hilander.models.clustering_model import ClusteringModel
from hilander.whitening import Whitening


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
    New points do not see each other, so that each is assigned as it would be alone.

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
    whitening : Whitening, optional
        What the fitted embeddings went through, and new ones have to go through as well.
    """

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        labels: NDArray[np.int64],
        model: ClusteringModel,
        *,
        n_neighbors: int,
        threshold: float,
        whitening: Whitening | None = None,
    ) -> None:
        self.embeddings, self.model, self.threshold, self.whitening = embeddings, model, threshold, whitening
        self._clusters, self._cluster_of = np.unique(labels, return_inverse=True)  # numbers may be as large as hashes
        self.n_neighbors = min(n_neighbors, max(len(embeddings) - 1, 1))

    @cached_property
    def _attachment(self) -> Attachment:
        return self.model.attach(self.embeddings, self.n_neighbors)

    def assign(self, embeddings: NDArray[np.float32], *, show_progress: bool = False) -> Assignment:
        """Assign new points, block by block, so that memory stays bounded.

        Parameters
        ----------
        embeddings : ndarray of shape (n_new, d), float32
            L2-normalised.
        show_progress : bool
        """
        n_new = len(embeddings)
        labels, probabilities = np.empty(n_new, np.int64), np.empty(n_new, np.float32)
        step = self._rows_per_block
        with tqdm(total=n_new, desc="assign", unit="row", unit_scale=True, disable=not show_progress) as bar:
            for start in range(0, n_new, step):
                block = slice(start, min(start + step, n_new))
                found = self._assign_block(embeddings[block])
                labels[block], probabilities[block] = found.labels, found.probabilities
                bar.update(block.stop - block.start)
        return Assignment(labels, probabilities)

    @property
    def _rows_per_block(self) -> int:
        return self._attachment.rows_per_block if self._has_model else ROWS_PER_BLOCK

    @property
    def _has_model(self) -> bool:
        return len(self.embeddings) >= self.model.fewest_items

    def _assign_block(self, embeddings: NDArray[np.float32]) -> Assignment:
        if self.whitening is not None:
            embeddings = self.whitening(embeddings)
        point, fitted, linkage = self._link(embeddings)
        cluster_of = self._cluster_of[fitted]
        votes = self._clusters[cluster_of] >= 0
        point, cluster_of, linkage = point[votes], cluster_of[votes], linkage[votes]
        n_new, n_clusters = len(embeddings), len(self._clusters)
        pairs, vote = np.unique(point * n_clusters + cluster_of, return_inverse=True)
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
        labels[voter[winner]] = self._clusters[cluster[winner]]
        probabilities[voter[winner]] = total[winner] / count[winner]
        return Assignment(labels, probabilities.astype(np.float32))

    def _link(self, embeddings: NDArray[np.float32]) -> AttachedLinks:
        if self._has_model:
            return self._attachment.link(embeddings)
        neighbors, similarities = search_neighbors(embeddings, quantize(self.embeddings), len(self.embeddings))
        points = np.repeat(np.arange(len(embeddings)), neighbors.shape[1])
        return AttachedLinks(points, neighbors.ravel(), np.clip(similarities.ravel(), 0, 1))
