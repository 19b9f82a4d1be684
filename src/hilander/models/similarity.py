"""Clustering without a learned model: similarity stands in for linkage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hilander.graph.targets import density_of
from hilander.hierarchy.decode import Links
from hilander.hierarchy.levels import LevelGraph
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings

SETTINGS = ClusteringSettings(linkage_threshold=0.7, decode="average_linkage", search_features="cluster")


@dataclass
class SimilarityModel(ClusteringModel):
    """Cosine similarity as linkage and the mean over the neighbours as density: what learned linkage is compared with.

    Attributes
    ----------
    settings : ClusteringSettings
        Average linkage down to a cosine of 0.7 by default, a guess: nothing tells the right one.
    """

    settings: ClusteringSettings = field(default=SETTINGS)

    variant: ClassVar[str] = "similarity"

    def link(self, graph: LevelGraph) -> Links:
        """Take non-negative cosine similarity for the probability of a link."""
        n, k = graph.neighbors.shape
        linkage = np.maximum(graph.similarities, 0)
        return Links(
            source=graph.neighbors.ravel(),
            target=np.repeat(np.arange(n), k),
            linkage=linkage.ravel(),
            density=density_of(graph.similarities, np.ones_like(linkage)),
        )


def link_by_similarity(features: NDArray[np.float32]) -> Links:
    """Link all pairs of a few items, each once: what a learned model falls back to where a set is too small for it.

    Parameters
    ----------
    features : ndarray of shape (n, d), float32
        Rows of norm 1, n >= 2.
    """
    similarities = features @ features.T
    density = (similarities.sum(axis=1) - 1) / (len(features) - 1)
    first, second = np.triu_indices(len(features), 1)
    falling = density[first] >= density[second]
    return Links(
        source=np.where(falling, first, second),
        target=np.where(falling, second, first),
        linkage=np.clip(similarities[first, second], 0, 1),
        density=density,
    )
