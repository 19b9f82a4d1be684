"""LANDER on the CPU without gradients: nodes and edges in blocks that stay in the processor's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from hilander.graph.build import InEdges
from hilander.graph.threads import by_threads

if TYPE_CHECKING:
    from hilander.nn.lander import Lander

_NODES_PER_BLOCK = 1 << 11
_EDGES_PER_BLOCK = 1 << 11


def project_nodes(lander: Lander, edges: InEdges, features: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return ``W_s h + b_s`` and ``W_d h + b_d`` of all nodes of a graph, (n, half) each.

    Both are one product, and the last convolution's output is held for a block of nodes only.
    """
    *first, last = lander.convolutions
    for convolution in first:
        features = convolution(edges, features)
    weight = torch.cat([lander.source.weight, lander.destination.weight]).T
    bias = torch.cat([lander.source.bias, lander.destination.bias])
    half = weight.shape[1] // 2
    source, destination = (torch.empty((edges.n_destinations, half)) for _ in range(2))
    start = 0
    for hidden in last.in_blocks(edges, features, _NODES_PER_BLOCK):
        rows = slice(start, start + len(hidden))
        projected = torch.addmm(bias, hidden, weight)
        source[rows], destination[rows] = projected[:, :half], projected[:, half:]
        start = rows.stop
    return source.numpy(), destination.numpy()


def link_edges(
    lander: Lander,
    edges: InEdges,
    source: NDArray[np.float32],
    destination: NDArray[np.float32],
    edge_features: Tensor | None = None,
) -> Tensor:
    """Return the linkage (m,) of all edges from the projections of their ends.

    The softmax of two logits is the sigmoid of their difference, so the classifier's last layer is one row of weights.

    Parameters
    ----------
    lander : Lander
    edges : InEdges
    source, destination : ndarray of shape (n, half), float32
        From `project_nodes`.
    edge_features : Tensor of shape (m, n_edge_features), float32, optional
    """
    first_slope, linear, second_slope, last = (cast(nn.Linear, layer) for layer in lander.classifier)
    weight = linear.weight.numpy().T
    difference = (last.weight[1] - last.weight[0]).numpy()
    offset = (last.bias[1] - last.bias[0]).numpy()
    slopes = first_slope.weight.numpy(), second_slope.weight.numpy()
    sources, destinations = edges.sources.numpy(), edges.destinations.numpy()
    added = None if lander.edge is None or edge_features is None else (lander.edge.weight.numpy().T, edge_features)
    linkage = np.empty(len(sources), np.float32)

    def link(block: slice) -> None:
        joint = np.empty((block.stop - block.start, len(weight)), np.float32)
        further = joint[:0] if added is None else added[1][block].numpy() @ added[0]
        _join(sources[block], destinations[block], source, destination, further, slopes[0], joint)
        _read_out(joint @ weight, linear.bias.numpy(), slopes[1], difference, offset, linkage[block])

    by_threads(link, len(linkage), _EDGES_PER_BLOCK, multiplies=True)
    return torch.from_numpy(linkage)


@njit(cache=True, fastmath=True, nogil=True)
def _join(sources, destinations, source, destination, further, slope, joint):
    """Fill in PReLU(source_j + destination_i [+ further_ij])."""
    for e in range(len(joint)):
        j, i = sources[e], destinations[e]
        for c in range(joint.shape[1]):
            x = source[j, c] + destination[i, c]
            if len(further) > 0:
                x += further[e, c]
            joint[e, c] = max(x, np.float32(0)) + slope[c] * min(x, np.float32(0))


@njit(cache=True, fastmath=True, nogil=True)
def _read_out(hidden, bias, slope, weight, offset, linkage):
    """Fill in σ(w · PReLU(hidden + bias) + offset)."""
    for e in range(len(linkage)):
        logit = np.float32(0)
        for c in range(hidden.shape[1]):
            x = hidden[e, c] + bias[c]
            logit += weight[c] * (max(x, np.float32(0)) + slope[c] * min(x, np.float32(0)))
        linkage[e] = np.float32(1) / (np.float32(1) + np.exp(-(logit + offset)))
