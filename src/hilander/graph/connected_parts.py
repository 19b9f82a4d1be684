"""Connected parts of a graph with all their surroundings, as training batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.graph.relational_graph import RelationalGraph

_NODES_PER_FRAGMENT = 150


def connected_core(graph: RelationalGraph, n_nodes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw nodes in connected fragments of about 150, so that whole neighbourhoods lie inside.

    Returns
    -------
    ndarray of shape (min(n_nodes, n),), int64
        Distinct nodes.
    """
    indptr, indices = graph.adjacency.indptr, graph.adjacency.indices
    seen = np.zeros(graph.n_nodes, bool)
    core: list[int] = []
    for seed in rng.permutation(graph.n_nodes):
        if len(core) >= n_nodes:
            break
        if seen[seed]:
            continue
        seen[seed] = True
        fragment = [int(seed)]
        for node in fragment:  # grows while it is walked: breadth first
            if len(fragment) >= _NODES_PER_FRAGMENT:
                break
            around = indices[indptr[node] : indptr[node + 1]]
            fresh = around[~seen[around]]
            seen[fresh] = True
            fragment.extend(fresh.tolist())
        core.extend(fragment)
    return np.array(core[:n_nodes], np.int64)


def with_halo(graph: RelationalGraph, core: NDArray[np.int64]) -> tuple[RelationalGraph, NDArray, NDArray]:
    """Cut out the nodes of `core` and all their neighbours.

    Returns
    -------
    part : RelationalGraph
        Nodes renumbered in ascending order; degrees are those in the whole graph.
    nodes, edge_rows : ndarray, int64
        Where the part's nodes and edges lie in the whole graph.
    """
    inside = np.zeros(graph.n_nodes, bool)
    inside[core] = True
    touching = inside[graph.edges].any(axis=1)
    inside[graph.edges[touching]] = True
    nodes = np.flatnonzero(inside)
    edge_rows = np.flatnonzero(inside[graph.edges].all(axis=1))
    new_node = np.cumsum(inside) - 1
    part = RelationalGraph(
        new_node[graph.edges[edge_rows]],
        graph.features[edge_rows].__getitem__,
        graph.degrees[nodes],
        graph.sizes[nodes],
    )
    return part, nodes, edge_rows
