"""DBSCAN and HDBSCAN on the distances of the kNN graph; points in no dense region are noise, label -1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from hilander.evaluation.baselines.grids import Setting
from hilander.evaluation.baselines.point_set import PointSet

_LARGEST_DISTANCE = 2.0  # 1 − cos of opposite directions


def dbscan(points: PointSet, settings: Sequence[Setting], seed: int) -> Iterator[NDArray[np.int64]]:
    """DBSCAN; a pair closer than ``eps`` (1 − cos) is seen where it is in the kNN graph.

    With 20 neighbours a point, up to ``min_samples`` = 20 no core point is missed, and memory stays linear in n.
    """
    from sklearn.cluster import DBSCAN

    distances = points.distance_graph()
    for setting in settings:
        eps = float(setting["eps"])
        # scikit-learn filters rows in Python per setting; dropping the far edges before is what makes it quick
        near = _sparse_below(distances, eps)
        model = DBSCAN(eps=eps, min_samples=int(setting["min_samples"]), metric="precomputed")
        yield model.fit(near).labels_.astype(np.int64)


def hdbscan(points: PointSet, settings: Sequence[Setting], seed: int) -> Iterator[NDArray[np.int64]]:
    """HDBSCAN on the spanning tree of the kNN graph; its components are joined at the largest distance.

    The full distance matrix that scikit-learn would build in 128 dimensions takes n² memory and minutes.
    """
    from sklearn.cluster import HDBSCAN

    distances = _joined(points.distance_graph())
    fewest_edges = int(np.diff(distances.indptr).min())
    for setting in settings:
        model = HDBSCAN(
            min_cluster_size=int(setting["min_cluster_size"]),
            min_samples=min(int(setting["min_samples"]), fewest_edges),
            cluster_selection_method=str(setting["cluster_selection_method"]),
            metric="precomputed",
            copy=True,
        )
        yield model.fit(distances).labels_.astype(np.int64)


def _sparse_below(distances: sp.csr_array, eps: float) -> sp.csr_matrix:
    table = distances.tocoo()
    near = table.data <= eps
    return sp.csr_matrix((table.data[near], (table.row[near], table.col[near])), shape=table.shape)


def _joined(distances: sp.csr_array) -> sp.csr_matrix:
    n_components, component = connected_components(distances, directed=False)
    if n_components == 1:
        return sp.csr_matrix(distances)
    members = np.unique(component, return_index=True)[1]  # one point of each component
    bridges = (np.full(len(members) - 1, _LARGEST_DISTANCE), (members[:-1], members[1:]))
    upper = sp.coo_array(bridges, shape=distances.shape)
    return sp.csr_matrix(distances + upper + upper.T)
