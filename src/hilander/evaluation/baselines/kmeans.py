"""k-means with the true number of clusters, and the ceiling of every method that trusts the embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import faiss
import numpy as np
from numpy.typing import NDArray

from hilander.evaluation.baselines.grids import Setting
from hilander.evaluation.baselines.point_set import PointSet


def kmeans(points: PointSet, settings: Sequence[Setting], seed: int) -> Iterator[NDArray[np.int64]]:
    """k-means from greedy k-means++ seeds; ``n_clusters`` is told, which no other method has."""
    from sklearn.cluster import KMeans

    # scikit-learn upcasts float32 in small pieces while it seeds: giving it float64 is eight times quicker
    embeddings = points.embeddings.astype(np.float64)
    for setting in settings:
        n_clusters = min(int(setting["n_clusters"]), points.n)
        model = KMeans(n_clusters, init="k-means++", n_init=1, max_iter=50, random_state=seed)
        yield model.fit_predict(embeddings).astype(np.int64)


def nearest_class_mean(embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Assign every point to the nearest true class mean: what the embeddings allow, not a method.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised rows.
    labels : ndarray of shape (n,), int64
        Classes 0..C-1.
    """
    means = np.zeros((int(labels.max()) + 1, embeddings.shape[1]), np.float32)
    np.add.at(means, labels, embeddings)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return faiss.knn(embeddings, means, 1, metric=faiss.METRIC_INNER_PRODUCT)[1][:, 0].astype(np.int64)
