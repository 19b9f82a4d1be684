"""One pass of RelationalLander over a graph in parts: rounds of message passing, told from part to part."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numba import njit
from torch import nn

from hilander.distributed.describe import NeighborhoodParts, edge_features
from hilander.distributed.edges import EdgeParts
from hilander.distributed.engine import Run
from hilander.nn.chunked_lander import add_to_nodes, fill_channels, first_states, update_edges
from hilander.nn.relational_lander import MessageRound, RelationalLander
from hilander.nn.scatter import sum_at_ends

_EDGES_PER_CHUNK = 1 << 15  # whose features are held at once


def link_parts(
    run: Run,
    network: RelationalLander,
    graph: EdgeParts,
    identity: NeighborhoodParts,
    cluster: NeighborhoodParts | None = None,
    before: EdgeParts | None = None,
) -> None:
    """Write each edge's ``linkage`` and ``affinity``, and tell the linkage, as `link_in_chunks` computes them.

    Parameters
    ----------
    run : Run
    network : RelationalLander
        On the CPU.
    graph : EdgeParts
    identity, cluster, before
        What describes the edges, see `edge_features`.
    """
    parts = range(len(graph))
    run.step(
        f"{graph.name}: features",
        _begin,
        [(network, graph, identity, cluster, before, part) for part in parts],
    )
    for number in range(len(network.rounds)):
        run.step(f"{graph.name}: nodes {number + 1}", _gather, [(network, graph, number, part) for part in parts])
        run.step(f"{graph.name}: round {number + 1}", _advance, [(network, graph, number, part) for part in parts])
        for name in ("states", "channels", "told_states", "told_channels", "node_states", "adjacent_channels"):
            run.store.remove(f"{graph.name}_{_of_round(name, number)}")


@torch.inference_mode()
def _begin(
    network: RelationalLander,
    graph: EdgeParts,
    identity: NeighborhoodParts,
    cluster: NeighborhoodParts | None,
    before: EdgeParts | None,
    part: int,
) -> None:
    network.eval()
    describe = edge_features(graph, identity, cluster, before, part)
    m = len(graph.edges(part))
    hidden = cast(nn.Linear, network.readouts[0]).in_features
    states, linkage = torch.empty((m, hidden), dtype=torch.float32), torch.empty(m, dtype=torch.float32)
    affinity = np.empty(m, np.float32)
    for start in range(0, m, _EDGES_PER_CHUNK):
        rows = slice(start, start + _EDGES_PER_CHUNK)
        features = describe(rows)
        np.maximum(features[:, 0], 0, out=affinity[rows])
        first_states(network, features, states[rows], linkage[rows])
    graph.array("affinity").write(part, affinity)
    _write_states(network, graph, 0, part, states, linkage)


@torch.inference_mode()
def _gather(network: RelationalLander, graph: EdgeParts, number: int, part: int) -> None:
    """Sum up at a part's nodes what their edges say, those of lower parts first, as in one array of all edges."""
    message_round = _round(network, number)
    start, stop = graph.bounds[part], graph.bounds[part + 1]
    own, told = graph.edges(part), graph.told(part, "told_edges")
    n = int(stop - start)
    n_sums = 2 * message_round.to_channels.in_features + 1
    sums = torch.zeros((n + 1, n_sums), dtype=torch.float32)  # the last row is for nodes of other parts
    all_ends, all_channels = [], []
    for edges, tells in ((told, True), (own, False)):
        states, channels = (
            np.array(graph.told(part, f"told_{name}") if tells else graph.array(name).read(part))
            for name in (_of_round("states", number), _of_round("channels", number))
        )
        ends = np.where((edges >= start) & (edges < stop), edges - start, n)
        add_to_nodes(torch.from_numpy(states), torch.from_numpy(channels[:, 0].copy()), ends, sums)
        all_ends.append(ends)
        all_channels.append(channels)
    values = np.concatenate(all_channels)
    strength = sum_at_ends(torch.from_numpy(values), torch.from_numpy(np.concatenate(all_ends)), n + 1)
    adjacency = graph.adjacency(part)
    degrees = torch.from_numpy(np.diff(adjacency.starts).astype(np.float32))[:, None].clamp(min=1)
    nodes = message_round.nodes(sums[:n], degrees)
    graph.array(_of_round("node_states", number)).write(part, torch.cat([nodes, strength[:n]], dim=1).numpy())
    graph.array(_of_round("adjacent_channels", number)).write(part, values[adjacency.edges])


@torch.inference_mode()
def _advance(network: RelationalLander, graph: EdgeParts, number: int, part: int) -> None:
    message_round, readout = _round(network, number), network.readouts[number + 1]
    start, stop = graph.bounds[part], graph.bounds[part + 1]
    edges = np.asarray(graph.edges(part))
    foreign = np.unique(edges[edges[:, 1] >= stop, 1])
    local = np.where(edges < stop, edges - start, stop - start + np.searchsorted(foreign, edges))
    node_states, adjacent_channels = _of_round("node_states", number), _of_round("adjacent_channels", number)
    own_nodes, own_adjacency = graph.array(node_states).read(part), graph.adjacency(part)
    of_nodes = np.concatenate([own_nodes, graph.array(node_states).take(foreign)]) if len(foreign) else own_nodes
    states, channels = (np.array(graph.array(_of_round(name, number)).read(part)) for name in ("states", "channels"))
    linkage = channels[:, 0].copy()

    starts, others, of_others = graph.take_adjacent(foreign, adjacent_channels)
    paths = np.zeros_like(channels)
    _sum_over_common_neighbors(
        local,
        np.concatenate([own_adjacency.starts, own_adjacency.starts[-1] + starts[1:]]),
        np.concatenate([own_adjacency.nodes, others]),
        np.concatenate([graph.array(adjacent_channels).read(part), of_others]),
        paths,
    )
    hidden = message_round.to_channels.in_features
    nodes, strength = (
        torch.from_numpy(np.ascontiguousarray(each)) for each in (of_nodes[:, :hidden], of_nodes[:, hidden:])
    )
    own = torch.from_numpy(states), torch.from_numpy(linkage)
    update_edges(
        message_round, readout, *own, local, torch.from_numpy(channels), torch.from_numpy(paths), nodes, strength
    )
    _write_states(network, graph, number + 1, part, *own)


def _write_states(
    network: RelationalLander, graph: EdgeParts, number: int, part: int, states: torch.Tensor, linkage: torch.Tensor
) -> None:
    """Write and tell what the next round starts from; after the last one the linkage."""
    if number == len(network.rounds):
        graph.array("linkage").write(part, linkage.numpy())
        graph.tell(part, "told_linkage", linkage.numpy())
        return
    message_round = _round(network, number)
    channels = torch.empty((len(states), message_round.to_channels.out_features + 1), dtype=torch.float32)
    fill_channels(message_round, states, linkage, channels)
    for name, values in (("states", states.numpy()), ("channels", channels.numpy())):
        graph.array(_of_round(name, number)).write(part, values)
        graph.tell(part, f"told_{_of_round(name, number)}", values)


def _of_round(name: str, number: int) -> str:
    """An array that a round starts from: none is written over, so that a round which is done again does the same."""
    return f"{name}_{number}"


def _round(network: RelationalLander, number: int) -> MessageRound:
    return cast(MessageRound, network.rounds[number])


@njit(cache=True, fastmath=True, nogil=True)
def _sum_over_common_neighbors(edges, starts, others, channels, paths):
    """Add up ``channels_im · channels_mj`` over the common neighbours m of each edge, which come in ascending order."""
    for e in range(len(edges)):
        i, j = edges[e, 0], edges[e, 1]
        a, b = starts[i], starts[j]
        while a < starts[i + 1] and b < starts[j + 1]:
            if others[a] < others[b]:
                a += 1
            elif others[a] > others[b]:
                b += 1
            else:
                for c in range(channels.shape[1]):
                    paths[e, c] += channels[a, c] * channels[b, c]
                a += 1
                b += 1
