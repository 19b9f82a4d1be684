"""Neighbour lists to DGL graphs, from which training samples, and their blocks to the arrays of message passing."""

from __future__ import annotations

import os

import numpy as np
import torch
from numpy.typing import NDArray

from hilander.graph.in_edges import InEdges, edges_of_lists

os.environ.setdefault("DGLBACKEND", "pytorch")  # without it DGL writes a configuration file into the home folder

try:
    import dgl
except ImportError as error:
    raise ImportError(
        "DGL is not installed, which training the published variant and its convolution 'attention' need; "
        "pip install 'dgl==1.1.3' under Python 3.11 (there is none for later ones), or use the variant 'hilander'"
    ) from error


def build_graph(neighbors: NDArray[np.int64], similarities: NDArray[np.float32]) -> dgl.DGLGraph:
    """Return the kNN graph with an edge j→i for every j in i's list.

    Edge ``i * k + j`` is the j-th entry of i's list, so edge data reshape to (n, k).

    Parameters
    ----------
    neighbors : ndarray of shape (n, k), int64
    similarities : ndarray of shape (n, k), float32

    Returns
    -------
    dgl.DGLGraph
        n nodes, n·k edges, with the edge data ``affinity`` and ``weight`` of `edges_of_lists`.
    """
    edges = edges_of_lists(neighbors, similarities)
    graph = dgl.graph(("csc", (edges.indptr, edges.sources, edges.edge_ids)), num_nodes=edges.n_destinations)
    graph.edata["affinity"], graph.edata["weight"] = edges.affinity, edges.weight
    return graph


def in_edges(graph: dgl.DGLGraph) -> InEdges:
    """Read the edges of a graph or block of `build_graph`, grouped by destination."""
    indptr, sources, edge_ids = graph.adj_tensors("csc")
    destinations = torch.repeat_interleave(torch.arange(len(indptr) - 1), indptr.diff())
    weight, affinity = graph.edata["weight"][edge_ids], graph.edata["affinity"][edge_ids]
    return InEdges(indptr, sources, destinations, weight, affinity, edge_ids)
