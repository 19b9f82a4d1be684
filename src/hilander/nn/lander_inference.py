"""LANDER on the CPU without gradients: nodes and edges in blocks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from hilander.graph.in_edges import InEdges
from hilander.graph.threads import by_threads
from hilander.nn.convolution import MeanConvolution
from hilander.nn.linear import linear

if TYPE_CHECKING:
    from hilander.nn.lander import Lander

_NODES_PER_BLOCK = 1 << 10
_EDGES_PER_BLOCK = 1 << 9


def project_nodes(lander: Lander, edges: InEdges, features: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return ``W_s h + b_s`` and ``W_d h + b_d`` of all nodes of a graph, (n, half) each.

    Both are one product, and the last convolution's output is held for a block of nodes only.
    """
    *first, last = lander.convolutions
    for convolution in first:
        features = convolution(edges, features)
    hidden = (
        _hidden_means(last, edges, features)
        if isinstance(last, MeanConvolution)
        else last(edges, features).numpy().__getitem__
    )
    weight = torch.cat([lander.source.weight, lander.destination.weight])
    bias = torch.cat([lander.source.bias, lander.destination.bias])
    half = len(bias) // 2
    source, destination = (np.empty((edges.n_destinations, half), np.float32) for _ in range(2))

    def project(block: slice) -> None:
        projected = linear(hidden(block), weight, bias)
        source[block], destination[block] = projected[:, :half], projected[:, half:]

    by_threads(project, len(source), _NODES_PER_BLOCK, multiplies=True)
    return source, destination


def _hidden_means(
    convolution: MeanConvolution, edges: InEdges, features: Tensor
) -> Callable[[slice], NDArray[np.float32]]:
    """Return what makes the output of a mean convolution for a block of nodes."""
    folded, weights = convolution.folded(features)
    values, weight, bias = folded.numpy(), weights.detach().contiguous(), convolution.linear.bias.detach()
    of_edges = edges.indptr.numpy(), edges.sources.numpy(), edges.weight.numpy()

    def hidden(block: slice) -> NDArray[np.float32]:
        inputs = np.empty((block.stop - block.start, weight.shape[1]), np.float32)
        _gather(values, *of_edges, block.start, inputs)
        return linear(inputs, weight, bias, relu=True)

    return hidden


def link_edges(
    lander: Lander,
    edges: InEdges,
    source: NDArray[np.float32],
    destination: NDArray[np.float32],
    edge_features: Tensor | None = None,
    *,
    show_progress: bool = False,
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
    show_progress : bool
    """
    first_slope, middle, second_slope, last = (cast(nn.Linear, layer) for layer in lander.classifier)
    # All of them here: inference mode, without which weights cannot be read as arrays, is this thread's alone.
    weight, bias = middle.weight.detach(), middle.bias.numpy()
    difference = (last.weight[1] - last.weight[0]).numpy()
    offset = (last.bias[1] - last.bias[0]).numpy()
    slopes = first_slope.weight.numpy(), second_slope.weight.numpy()
    sources, destinations = edges.sources.numpy(), edges.destinations.numpy()
    added = None
    if lander.edge is not None and edge_features is not None:
        added = edge_features.numpy(), lander.edge.weight.detach()
    linkage = np.empty(len(sources), np.float32)

    def link(block: slice) -> None:
        joint = np.empty((block.stop - block.start, len(weight)), np.float32)
        further = joint[:0] if added is None else linear(added[0][block], added[1])
        _join(sources[block], destinations[block], source, destination, further, slopes[0], joint)
        _read_out(linear(joint, weight), bias, slopes[1], difference, offset, linkage[block])

    by_threads(
        link, len(linkage), _EDGES_PER_BLOCK, multiplies=True, desc="linkage", unit="edge", show_progress=show_progress
    )
    return torch.from_numpy(linkage)


@njit(cache=True, fastmath=True, nogil=True)
def _gather(features, indptr, sources, weight, first, inputs):
    """Fill in ``[x_i ; Σ_j ã_ij x_j]`` for the destinations from `first` on."""
    width = features.shape[1]
    for row in range(len(inputs)):
        own, total = inputs[row, :width], inputs[row, width:]
        of_node = features[first + row]
        for c in range(width):
            own[c] = of_node[c]
        for c in range(width):
            total[c] = 0
        for e in range(indptr[first + row], indptr[first + row + 1]):
            neighbor, w = features[sources[e]], weight[e]
            for c in range(width):
                total[c] += w * neighbor[c]


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
