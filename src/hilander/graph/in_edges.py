"""Edges as arrays, grouped by the node that they run into: what message passing runs on."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class InEdges:
    """A graph's or block's edges as arrays grouped by destination, on any device.

    Attributes
    ----------
    indptr : Tensor of shape (n_destinations + 1,), int64
        Edges ``indptr[i]:indptr[i + 1]`` run into destination i.
    sources, destinations : Tensor of shape (m,), int64
        The destinations of a block are its first sources.
    weight, affinity : Tensor of shape (m,), float32
    edge_ids : Tensor of shape (m,), int64
        Position of each grouped edge in the graph's own edge data.
    """

    indptr: torch.Tensor
    sources: torch.Tensor
    destinations: torch.Tensor
    weight: torch.Tensor
    affinity: torch.Tensor
    edge_ids: torch.Tensor

    @property
    def n_destinations(self) -> int:
        """Nodes that edges run into."""
        return len(self.indptr) - 1

    def to(self, device: torch.device) -> InEdges:
        """Move the arrays."""
        return InEdges(**{each.name: getattr(self, each.name).to(device) for each in fields(self)})


def edges_of_lists(neighbors: NDArray[np.int64], similarities: NDArray[np.float32]) -> InEdges:
    """Return the kNN graph's edges: one j→i for every j in i's list, in the lists' order.

    Parameters
    ----------
    neighbors : ndarray of shape (n, k), int64
    similarities : ndarray of shape (n, k), float32

    Returns
    -------
    InEdges
        n·k edges; edge ``i * k + j`` is the j-th entry of i's list. ``affinity`` a_ij = max(cos, 0) and ``weight``
        ã_ij = a_ij / Σ_j a_ij; the weights of a node without any positive affinity are 0.
    """
    n, k = neighbors.shape
    affinity = torch.from_numpy(np.maximum(similarities, 0).astype(np.float32))
    total = affinity.sum(dim=1, keepdim=True)
    return InEdges(
        indptr=torch.arange(n + 1, dtype=torch.int64) * k,
        sources=torch.from_numpy(np.ascontiguousarray(neighbors, dtype=np.int64)).reshape(-1),
        destinations=torch.repeat_interleave(torch.arange(n), k),
        weight=(affinity / total.clamp(min=1e-12)).reshape(-1),
        affinity=affinity.reshape(-1),
        edge_ids=torch.arange(n * k),
    )
