"""Connected parts of labelled graphs, each a training step with its targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from hilander.graph.connected_parts import connected_core, cut_out, with_halo
from hilander.graph.relational_graph import RelationalGraph
from hilander.models.relational import graph_tensors

_EDGES_PER_STEP = 9_000  # parts of fewer are put together
_COVERAGE = 1.2  # how often a node of a small graph lies in a core, on average


@dataclass(frozen=True)
class LabelledGraph:
    """One graph to learn from, the node that each item belongs to and its class, (n_items,) both."""

    graph: RelationalGraph
    members: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """One connected part: inputs of the network, targets, and where they count."""

    inputs: tuple[Tensor, Tensor, Tensor, Tensor]
    linked: Tensor  # (m,) float32, share of the pairs of items that are of one class
    weight: Tensor  # (m,) float32, mean 1
    density: Tensor  # (n,) float32, right where it counts
    edge_counts: Tensor  # (m,) bool
    node_counts: Tensor  # (n,) bool


def connected_batches(
    level: LabelledGraph,
    n_cores: int,
    core_size: int,
    rng: np.random.Generator,
    device: torch.device,
    max_edges: int | None = None,
) -> list[Batch]:
    """Cut at most so many parts out of a graph, of so many nodes without the halo of their neighbours.

    A part is a core of connected nodes with all their neighbours; the loss counts the edges that touch the core. So
    the true share of edges that run between classes is kept, and with it the calibration of the linkage. Where a part
    has more than `max_edges`, its core is halved until it has not.
    """
    graph = level.graph
    of_class = sp.csr_array((np.ones(len(level.labels)), (level.members, level.labels)))
    pairs_of_items = graph.sizes[graph.edges].prod(axis=1)
    mean_weight = np.sqrt(pairs_of_items).mean()
    batches = []
    for _ in range(min(n_cores, int(np.ceil(_COVERAGE * graph.n_nodes / core_size)))):
        core = connected_core(graph, core_size, rng)
        nodes, edge_rows = with_halo(graph, core)
        while max_edges is not None and len(edge_rows) > max_edges and len(core) > 1:
            core = connected_core(graph, len(core) // 2, rng)
            nodes, edge_rows = with_halo(graph, core)
        part = cut_out(graph, nodes, edge_rows)
        i, j = graph.edges[edge_rows].T
        linked = of_class[i].multiply(of_class[j]).sum(axis=1) / pairs_of_items[edge_rows]  # share of one class
        signed = np.maximum(part.features[:, 0], 0) * (2 * linked - 1)
        in_core = np.isin(nodes, core)  # all of whose edges are here
        density = sum(np.bincount(end, signed, len(nodes)) for end in part.edges.T) / np.maximum(part.degrees, 1)
        batches.append(
            Batch(
                graph_tensors(part, device),
                _float_tensor(linked, device),
                _float_tensor(np.sqrt(pairs_of_items[edge_rows]) / mean_weight, device),
                _float_tensor(density, device),
                torch.from_numpy(in_core[part.edges].any(axis=1)).to(device),
                torch.from_numpy(in_core).to(device),
            )
        )
    return batches


def mixed_batches(batches: Sequence[Batch], random_state: int | tuple[int, ...]) -> Iterator[Batch]:
    """Yield parts of many graphs in random order, small ones side by side, so that a step sees thousands of edges."""
    order = np.random.default_rng(random_state).permutation(len(batches))
    waiting, n_edges = [], 0
    for position in order:
        waiting.append(batches[position])
        n_edges += len(waiting[-1].linked)
        if n_edges >= _EDGES_PER_STEP or position == order[-1]:
            yield _side_by_side(waiting)
            waiting, n_edges = [], 0


def _side_by_side(batches: Sequence[Batch]) -> Batch:
    """One batch of a graph that consists of theirs."""
    if len(batches) == 1:
        return batches[0]
    features, edges, triangles, degrees = zip(*(batch.inputs for batch in batches), strict=True)
    first_node = np.cumsum([0, *map(len, degrees)])
    first_edge = np.cumsum([0, *map(len, edges)])
    inputs = (
        torch.cat(features),
        torch.cat([each + int(first) for each, first in zip(edges, first_node, strict=False)]),
        torch.cat([each + int(first) for each, first in zip(triangles, first_edge, strict=False)]),
        torch.cat(degrees),
    )
    names = ("linked", "weight", "density", "edge_counts", "node_counts")
    return Batch(inputs, *(torch.cat([getattr(batch, name) for batch in batches]) for name in names))


def _float_tensor(values: NDArray[np.float64], device: torch.device) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)
