"""Neighbour lists to DGL graphs, and DGL graphs to the arrays that message passing runs on."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

os.environ.setdefault("DGLBACKEND", "pytorch")  # without it DGL writes a configuration file into the home folder

import dgl
import numpy as np
import torch
from numpy.typing import NDArray


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
        n nodes, n·k edges. Edge data ``affinity`` a_ij = max(cos, 0) and ``weight`` ã_ij = a_ij / Σ_j a_ij,
        both (n·k,) float32; the weights of a node without any positive affinity are 0.
    """
    n, k = neighbors.shape
    indptr = torch.arange(n + 1, dtype=torch.int64) * k
    indices = torch.from_numpy(np.ascontiguousarray(neighbors, dtype=np.int64)).reshape(-1)
    graph = dgl.graph(("csc", (indptr, indices, torch.arange(n * k))), num_nodes=n)
    affinity = torch.from_numpy(np.maximum(similarities, 0).astype(np.float32))
    total = affinity.sum(dim=1, keepdim=True)
    graph.edata["affinity"] = affinity.reshape(-1)
    graph.edata["weight"] = (affinity / total.clamp(min=1e-12)).reshape(-1)
    return graph


@dataclass(frozen=True)
class InEdges:
    """A graph's or block's edges as arrays grouped by destination: what message passing runs on, on any device.

    Attributes
    ----------
    indptr : Tensor of shape (n_destinations + 1,), int64
        Edges ``indptr[i]:indptr[i + 1]`` run into destination i.
    sources, destinations : Tensor of shape (m,), int64
        The destinations of a block are its first sources.
    weight, affinity : Tensor of shape (m,), float32
    edge_ids : Tensor of shape (m,), int64
        Position of each grouped edge in the graph's own edge data.
    graph : dgl.DGLGraph
        What the arrays were read from; DGL's own layers run on it, where DGL itself can run.
    """

    indptr: torch.Tensor
    sources: torch.Tensor
    destinations: torch.Tensor
    weight: torch.Tensor
    affinity: torch.Tensor
    edge_ids: torch.Tensor
    graph: dgl.DGLGraph

    @property
    def n_destinations(self) -> int:
        """Nodes that edges run into."""
        return len(self.indptr) - 1

    def to(self, device: torch.device) -> InEdges:
        """Move the arrays; the DGL graph stays on the CPU, since its common wheels have no other device."""
        moved = {name: getattr(self, name).to(device) for name in _ARRAYS}
        return replace(self, **moved)


_ARRAYS = ("indptr", "sources", "destinations", "weight", "affinity", "edge_ids")


def in_edges(graph: dgl.DGLGraph) -> InEdges:
    """Read the edges of a graph or block of `build_graph`, grouped by destination."""
    indptr, sources, edge_ids = graph.adj_tensors("csc")
    destinations = torch.repeat_interleave(torch.arange(len(indptr) - 1), indptr.diff())
    weight, affinity = graph.edata["weight"][edge_ids], graph.edata["affinity"][edge_ids]
    return InEdges(indptr, sources, destinations, weight, affinity, edge_ids, graph)
