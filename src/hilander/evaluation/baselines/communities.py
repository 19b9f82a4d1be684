"""Leiden and Infomap on the kNN graph; both libraries are GPL: an extra, imported only when asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.evaluation.baselines.grids import Setting
from hilander.evaluation.baselines.point_set import PointSet

_LEIDEN_ITERATIONS = 3
_INSTALL = "pip install 'hilander[graph-baselines]'"


def leiden(points: PointSet, settings: Sequence[Setting], seed: int) -> Iterator[NDArray[np.int64]]:
    """Constant Potts model optimised by Leiden (Traag et al., 2019), edges weighted by cosine similarity.

    Raises
    ------
    ImportError
        igraph is not installed.
    """
    try:
        import igraph
    except ImportError as error:
        raise ImportError(f"igraph is not installed; {_INSTALL}") from error
    for setting in settings:
        edges, weights = points.edges(int(setting["n_neighbors"]))
        graph = igraph.Graph(n=points.n, edges=edges)
        igraph.set_random_number_generator(random.Random(seed))
        try:
            communities = graph.community_leiden(
                objective_function="CPM",
                weights=weights.tolist(),
                resolution=float(setting["resolution"]),
                n_iterations=_LEIDEN_ITERATIONS,
            )
        finally:
            igraph.set_random_number_generator(random)  # igraph's default
        yield np.array(communities.membership, dtype=np.int64)


def infomap(points: PointSet, settings: Sequence[Setting], seed: int) -> Iterator[NDArray[np.int64]]:
    """Map equation in two levels (Rosvall & Bergstrom, 2008) on the thresholded kNN graph.

    Raises
    ------
    ImportError
        infomap is not installed.
    """
    try:
        from infomap import Infomap
    except ImportError as error:
        raise ImportError(f"infomap is not installed; {_INSTALL}") from error
    for setting in settings:
        edges, weights = points.edges(int(setting["n_neighbors"]), float(setting["similarity_threshold"]))
        network: Any = Infomap(two_level=True, silent=True, seed=seed + 1, num_trials=1)  # its seeds start at 1
        network.add_nodes(range(points.n))  # a point without edges is a cluster of its own
        modules: dict[int, int] = {}
        if len(edges):
            network.add_links(np.column_stack([edges, weights]).astype(np.float64))
            modules = network.run().modules()
        yield np.array([modules.get(i, -1) for i in range(points.n)], dtype=np.int64)
