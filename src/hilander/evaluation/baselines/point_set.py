"""What every baseline is given: the embeddings and one kNN graph of them, computed once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hilander.graph.knn import nearest_neighbors

N_NEIGHBORS = 20  # the largest k that any baseline's grid asks for


@dataclass(frozen=True)
class PointSet:
    """Embeddings with their nearest neighbours.

    Attributes
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised rows.
    neighbors : ndarray of shape (n, k), int64
        By decreasing similarity, the row itself left out.
    similarities : ndarray of shape (n, k), float32
        Cosine similarities.
    """

    embeddings: NDArray[np.float32]
    neighbors: NDArray[np.int64]
    similarities: NDArray[np.float32]

    @classmethod
    def build(
        cls,
        embeddings: NDArray[np.float32],
        graph: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
    ) -> PointSet:
        """Take `graph` where its lists are long enough (20), else search the neighbours."""
        longest = min(N_NEIGHBORS, len(embeddings) - 1)
        if graph is None or graph[0].shape[1] < longest:
            graph = nearest_neighbors(embeddings, longest)
        return cls(embeddings, graph[0][:, :longest], graph[1][:, :longest])

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.embeddings)

    def edges(self, n_neighbors: int, min_similarity: float = 0.0) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Undirected edges between points of which one is among the other's `n_neighbors` nearest.

        Returns
        -------
        edges : ndarray of shape (m, 2), int64
            Each once, smaller point first, sorted; only those more similar than `min_similarity`.
        weights : ndarray of shape (m,), float32
            Their cosine similarities.
        """
        neighbors, weights = self.neighbors[:, :n_neighbors].ravel(), self.similarities[:, :n_neighbors].ravel()
        points = np.repeat(np.arange(self.n), min(n_neighbors, self.neighbors.shape[1]))
        key = np.minimum(points, neighbors) * self.n + np.maximum(points, neighbors)
        key, first = np.unique(key, return_index=True)
        kept = weights[first] > min_similarity
        return np.stack([key // self.n, key % self.n], axis=1)[kept], weights[first][kept]

    def distance_graph(self) -> sp.csr_array:
        """Cosine distances along the edges, symmetric, of shape (n, n).

        Duplicates are 1e-6 apart: SciPy's and scikit-learn's sparse routines take a distance of 0 for no edge.
        """
        edges, weights = self.edges(self.neighbors.shape[1], min_similarity=-2)
        distances = np.maximum(1 - weights.astype(np.float64), 1e-6)
        upper = sp.coo_array((distances, (edges[:, 0], edges[:, 1])), shape=(self.n, self.n))
        return (upper + upper.T).tocsr()
