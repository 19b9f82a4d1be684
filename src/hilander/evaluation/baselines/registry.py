"""The baselines by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilander.evaluation.baselines.communities import infomap, leiden
from hilander.evaluation.baselines.density import dbscan, hdbscan
from hilander.evaluation.baselines.grids import GRIDS, Setting
from hilander.evaluation.baselines.kmeans import kmeans
from hilander.evaluation.baselines.linkage import hac_average, hac_ward
from hilander.evaluation.baselines.neighbor_graph import chinese_whispers, connected_components, finch
from hilander.evaluation.baselines.point_set import PointSet

Clusterer = Callable[[PointSet, Sequence[Setting], int], Iterator[NDArray[np.int64]]]


@dataclass(frozen=True)
class Baseline:
    """A clustering method that learns nothing but its thresholds.

    Attributes
    ----------
    name : str
        As in ``params.yaml``.
    cluster : callable
        ``(points, settings, seed)`` → labels of shape (n,) for each setting in turn, so that what settings share (a
        dendrogram, a graph) is made once.
    grid : tuple of dict
        Settings to choose among on the training classes; empty where the true number of classes is given instead.
    """

    name: str
    cluster: Clusterer
    grid: tuple[Setting, ...] = ()

    def fit_predict(self, points: PointSet, setting: Setting, seed: int = 0) -> NDArray[np.int64]:
        """Cluster with one setting; labels of shape (n,), -1 is noise."""
        return next(iter(self.cluster(points, [setting], seed)))


_CLUSTERERS: dict[str, Clusterer] = {
    "kmeans": kmeans,
    "hac_average": hac_average,
    "hac_ward": hac_ward,
    "dbscan": dbscan,
    "hdbscan": hdbscan,
    "connected_components": connected_components,
    "chinese_whispers": chinese_whispers,
    "finch": finch,
    "leiden": leiden,
    "infomap": infomap,
}

BASELINES = {name: Baseline(name, cluster, GRIDS.get(name, ())) for name, cluster in _CLUSTERERS.items()}
