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
    starts, rows = graph.incidence
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
            around = graph.edges[rows[starts[node] : starts[node + 1]]].sum(axis=1) - node
            fresh = around[~seen[around]]
            seen[fresh] = True
            fragment.extend(fresh.tolist())
        core.extend(fragment)
    return np.array(core[:n_nodes], np.int64)


def with_halo(graph: RelationalGraph, core: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nodes of `core` and all their neighbours, and the rows of all edges among these; both ascending."""
    inside = np.zeros(graph.n_nodes, bool)
    inside[core] = True
    inside[graph.edges[graph.incidence.at(core)]] = True
    nodes = np.flatnonzero(inside)
    edge_rows = graph.incidence.at(nodes)
    return nodes, edge_rows[inside[graph.edges[edge_rows]].all(axis=1)]


def cut_out(graph: RelationalGraph, nodes: NDArray[np.int64], edge_rows: NDArray[np.int64]) -> RelationalGraph:
    """Return a part of the graph, its nodes renumbered in ascending order; degrees are those in the whole graph."""
    return RelationalGraph(
        np.searchsorted(nodes, graph.edges[edge_rows]),
        graph.features_of(edge_rows).__getitem__,
        graph.degrees[nodes],
        graph.sizes[nodes],
    )
