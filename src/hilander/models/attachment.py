"""New points on the graph of fitted ones: how likely each is to be of one class with its neighbours there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilander.graph.knn import nearest_neighbors, search_neighbors
from hilander.graph.quantization import Quantized, quantize
from hilander.hierarchy.levels import LevelGraph
from hilander.hierarchy.next_level import first_level

if TYPE_CHECKING:
    from hilander.models.clustering_model import ClusteringModel

ROWS_PER_BLOCK = 2048
_MOST = 0.5  # share of the fitted points beyond which a part of the graph costs as much as the whole


class AttachedLinks(NamedTuple):
    """Edges between new and fitted points.

    Attributes
    ----------
    new, fitted : ndarray of shape (m,), int64
    linkage : ndarray of shape (m,), float32
    """

    new: NDArray[np.int64]
    fitted: NDArray[np.int64]
    linkage: NDArray[np.float32]


class Attachment(ABC):
    """Fitted points, which stay as they are, and a model that links new ones to them.

    New points have fitted ones for neighbours, never each other: what becomes of one does not depend on which others
    come with it.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        Fitted, distinct, rows of norm 1.
    n_neighbors : int
        k, below n.
    """

    def __init__(self, embeddings: NDArray[np.float32], n_neighbors: int) -> None:
        self.embeddings, self.n_neighbors = embeddings, n_neighbors

    @property
    def rows_per_block(self) -> int:
        """New points that are best linked at once: more of them take more memory, and leave the processor's cache."""
        return ROWS_PER_BLOCK

    @abstractmethod
    def link(self, embeddings: NDArray[np.float32]) -> AttachedLinks:
        """Link new points, (n_new, d) float32, rows of norm 1, to fitted ones."""


class NeighborhoodGraph(Attachment):
    """Links the graph of the new points' neighbourhoods anew: their neighbours, and these ones' k nearest.

    A model whose links depend on nothing farther away, such as bare similarity and a published one of a single
    convolution, gives the links that it would in the whole graph, which is taken where the neighbourhoods hold most
    of it anyway.

    Parameters
    ----------
    model : ClusteringModel
    embeddings, n_neighbors
        See `Attachment`.
    """

    def __init__(self, model: ClusteringModel, embeddings: NDArray[np.float32], n_neighbors: int) -> None:
        super().__init__(embeddings, n_neighbors)
        self.model = model

    @property
    def rows_per_block(self) -> int:
        """As many new points as fitted ones, whose graph each block may have to link as a whole."""
        return max(ROWS_PER_BLOCK, len(self.embeddings))

    @cached_property
    def _fitted(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Searched when the first point comes, since many clusterings are never added to."""
        return nearest_neighbors(self.embeddings, self.n_neighbors)

    @cached_property
    def _quantized(self) -> Quantized:
        return quantize(self.embeddings)

    def link(self, embeddings: NDArray[np.float32]) -> AttachedLinks:
        """Link new points, (n_new, d) float32, rows of norm 1, to fitted ones."""
        neighbors, similarities = search_neighbors(embeddings, self._quantized, self.n_neighbors + 1)
        around, fitted_neighbors, fitted_similarities = self._graph_around(neighbors)
        n_around, k = len(around), self.n_neighbors
        links = self.model.link(
            LevelGraph(
                first_level(np.concatenate([self.embeddings[around], embeddings])),
                np.concatenate([fitted_neighbors, np.searchsorted(around, neighbors[:, :k])]),
                np.concatenate([fitted_similarities, similarities[:, :k]]),
            )
        )
        high, low = np.maximum(links.source, links.target), np.minimum(links.source, links.target)
        across = (high >= n_around) & (low < n_around)
        return AttachedLinks(high[across] - n_around, around[low[across]], links.linkage[across])

    def _graph_around(
        self, neighbors: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Fitted points around the new ones, ascending, with neighbours and similarities among themselves.

        `neighbors` are one more than k for each new point, so that there are enough of them to have k each.
        """
        n = len(self.embeddings)
        around = np.union1d(neighbors, self._fitted[0][np.unique(neighbors)])
        if len(around) > _MOST * n:
            return np.arange(n), *self._fitted
        return around, *nearest_neighbors(self.embeddings[around], self.n_neighbors)
