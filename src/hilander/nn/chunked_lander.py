"""RelationalLander on the CPU in bounded memory: features arrive in chunks, and what is wide stays in the cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController
from torch import Tensor, nn
from tqdm import tqdm

from hilander.graph.threads import by_threads
from hilander.graph.triangles import sum_over_triangles
from hilander.nn.edge_states import EdgeStates
from hilander.nn.relational_lander import MessageRound, RelationalLander
from hilander.nn.scatter import sum_at_ends

_EDGES_PER_WINDOW = 1 << 16
_EDGES_IN_CACHE = 1 << 12  # of a window, that one thread works on: (edges, 92) float32 in 1.5 MB


def link_in_chunks(
    network: RelationalLander,
    features: Iterable[NDArray[np.float32]],
    edges: NDArray[np.int64],
    degrees: NDArray[np.float32],
    show_progress: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return linkage and density as `RelationalLander.forward` does, to rounding.

    Held beside the arguments are one state per edge, see `EdgeStates`, and a dozen floats: neither all features nor a
    list of triangles. Threads work on edges of their own, each on one core: so they never wait for each other within
    an operation, and their number changes no bit of the result.

    Parameters
    ----------
    network : RelationalLander
        On the CPU.
    features : iterable of ndarray of shape (chunk, n_features), float32
        Of the edges, in their order, any number at a time.
    edges : ndarray of shape (m, 2), int64
        Sorted pairs.
    degrees : ndarray of shape (n,), float32
    show_progress : bool

    Returns
    -------
    linkage : ndarray of shape (m,), float32
        Of the last round, as a probability.
    density : ndarray of shape (n,), float32
    """
    m, n = len(edges), len(degrees)
    first_readout, *readouts = (cast(nn.Linear, readout) for readout in network.eval().readouts)
    passed = tqdm(
        total=m * len(network.readouts), desc="linkage", unit="edge", unit_scale=True, disable=not show_progress
    )
    with passed, torch.inference_mode():
        states = EdgeStates(m, first_readout.in_features)
        linkage, affinity = torch.empty(m), np.empty(m, np.float32)
        start = 0
        for chunk in features:
            rows = slice(start, start + len(chunk))
            np.maximum(chunk[:, 0], 0, out=affinity[rows])
            first_states(network, chunk, states.window(rows), linkage[rows])
            start = rows.stop
            passed.update(len(chunk))
        of_nodes = torch.from_numpy(degrees)[:, None].clamp(min=1)
        for message_round, readout in zip(network.rounds, readouts, strict=True):
            for n_edges in _advance(cast(MessageRound, message_round), readout, states, linkage, edges, of_nodes):
                passed.update(n_edges)
        signed = torch.from_numpy(affinity) * (2 * linkage - 1)
        density = sum_at_ends(signed[:, None], torch.from_numpy(edges), n) / of_nodes
    return linkage.numpy(), density[:, 0].numpy()


def first_states(network: RelationalLander, features: NDArray[np.float32], states: Tensor, linkage: Tensor) -> None:
    """Fill in the first states (m, hidden) and linkage (m,) of some edges from their features."""

    @torch.inference_mode()
    def begin(block: slice) -> None:
        state = network.first_states(_filled(torch.from_numpy(features[block])))
        _keep(state, states[block])
        _keep(network.readouts[0](state)[:, 0].sigmoid(), linkage[block])

    by_threads(begin, len(states), _EDGES_IN_CACHE, prepare_thread=_use_one_core)


def _advance(
    message_round: MessageRound,
    readout: nn.Module,
    states: EdgeStates,
    linkage: Tensor,
    edges: NDArray[np.int64],
    degrees: Tensor,
) -> Iterator[int]:
    """Bring states and linkage one round further, in place; yields how many edges have got there, window by window."""
    hidden, n_channels = message_round.to_channels.in_features, 1 + message_round.to_channels.out_features
    sums = torch.zeros((len(degrees), 2 * hidden + 1))
    channels = torch.empty((len(edges), n_channels))
    windows = [slice(start, start + _EDGES_PER_WINDOW) for start in range(0, len(edges), _EDGES_PER_WINDOW)]
    for rows in windows:
        window = states.window(rows)
        add_to_nodes(window, linkage[rows], edges[rows], sums)
        fill_channels(message_round, window, linkage[rows], channels[rows])
    nodes = message_round.nodes(sums, degrees)
    strength = sum_at_ends(channels, torch.from_numpy(edges), len(degrees))
    paths = torch.from_numpy(sum_over_triangles(channels.numpy(), edges, len(degrees)))
    for rows in windows:
        of_edges = edges[rows], channels[rows], paths[rows]
        update_edges(message_round, readout, states.window(rows), linkage[rows], *of_edges, nodes, strength)
        yield len(of_edges[0])


def add_to_nodes(states: Tensor, linkage: Tensor, edges: NDArray[np.int64], sums: Tensor) -> None:
    """Add some edges to the sums (n, 2 hidden + 1) over the edges at each node, as `MessageRound` names them."""
    hidden = states.shape[1]

    def add(columns: slice) -> None:
        _add_states(states.numpy(), linkage.numpy(), edges, columns.start, columns.stop, sums.numpy())

    by_threads(add, hidden, -(-hidden // 2))  # two threads may not write the same node, so they part the columns


def fill_channels(message_round: MessageRound, states: Tensor, linkage: Tensor, channels: Tensor) -> None:
    """Fill in the channels (m, n_channels + 1) of some edges."""

    @torch.inference_mode()
    def read(block: slice) -> None:
        channels[block, 0] = linkage[block]
        _keep(message_round.to_channels(_filled(states[block])).sigmoid(), channels[block, 1:])

    by_threads(read, len(states), _EDGES_IN_CACHE, prepare_thread=_use_one_core)


def update_edges(
    message_round: MessageRound,
    readout: nn.Module,
    states: Tensor,
    linkage: Tensor,
    edges: NDArray[np.int64],
    channels: Tensor,
    paths: Tensor,
    nodes: Tensor,
    strength: Tensor,
) -> None:
    """Bring the states (m, hidden) and linkage (m,) of some edges one round further, in place.

    Parameters
    ----------
    message_round, readout : Module
    states, linkage : Tensor
    edges : ndarray of shape (m, 2), int64
        Rows of `nodes` and `strength`.
    channels, paths : Tensor of shape (m, n_channels + 1)
        q and T of the edges.
    nodes, strength : Tensor of shape (n, hidden) and (n, n_channels + 1)
        n and s of `MessageRound`.
    """
    norm, update = cast(nn.LayerNorm, message_round.update[0]), message_round.update[1:]
    of_nodes = nodes.numpy(), strength.numpy(), norm.weight.numpy(), norm.bias.numpy(), np.float32(norm.eps)

    @torch.inference_mode()
    def advance(block: slice) -> None:
        state, t = _filled(states[block]), _filled(paths[block])
        inputs = np.zeros((len(state), len(norm.weight)), np.float32)
        of_edges = edges[block], state.numpy(), channels[block].numpy(), t.numpy(), t.log1p().numpy()
        _normalized_inputs(*of_edges, *of_nodes, inputs)
        state = state + update(torch.from_numpy(inputs))
        _keep(state, states[block])
        _keep(readout(state)[:, 0].sigmoid(), linkage[block])

    by_threads(advance, len(states), _EDGES_IN_CACHE, prepare_thread=_use_one_core)


def _filled(values: Tensor) -> Tensor:
    """Fill up a block that is not full, so that each row is computed alike in whatever block it lies.

    The end of a shorter one would be left to other instructions, which round otherwise: and parts of a graph, which
    end elsewhere than the whole, would then get other bits.
    """
    if len(values) == _EDGES_IN_CACHE:
        return values
    return torch.cat([values, values.new_zeros((_EDGES_IN_CACHE - len(values), *values.shape[1:]))])


def _keep(computed: Tensor, values: Tensor) -> None:
    """Write what was computed of a block, but for what it was filled up with."""
    values[:] = computed[: len(values)]


def _use_one_core() -> None:
    """Keep torch's operations within the calling thread to it."""
    torch.get_num_threads()  # sets the thread up, which would else undo what follows
    _openmp().limit(limits=1)


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")


@njit(cache=True, fastmath=True, nogil=True)
def _add_states(states, linkage, edges, first, last, sums):
    """Add some columns of relu(h) and p · relu(h), and with the first one p, of every edge to both its ends."""
    hidden = states.shape[1]
    for e in range(len(edges)):
        i, j, p = edges[e, 0], edges[e, 1], linkage[e]
        for c in range(first, last):
            active = max(states[e, c], np.float32(0))
            sums[i, c] += active
            sums[j, c] += active
            sums[i, hidden + c] += p * active
            sums[j, hidden + c] += p * active
        if first == 0:
            sums[i, 2 * hidden] += p
            sums[j, 2 * hidden] += p


@njit(cache=True, fastmath=True, nogil=True)
def _normalized_inputs(edges, states, channels, paths, log_paths, nodes, strength, weight, bias, eps, out):
    """What an edge is updated from, in the order of `MessageRound`, after LayerNorm."""
    hidden, n_channels = states.shape[1], channels.shape[1]
    width = out.shape[1]
    for e in range(len(edges)):
        i, j = edges[e, 0], edges[e, 1]
        row = out[e]
        for c in range(hidden):
            a, b = nodes[i, c], nodes[j, c]
            row[c] = states[e, c]
            row[hidden + c] = a + b
            row[2 * hidden + c] = abs(a - b)
        at = 3 * hidden
        for c in range(n_channels):
            s_i, s_j, q, t = strength[i, c], strength[j, c], channels[e, c], paths[e, c]
            row[at + c] = log_paths[e, c]
            row[at + n_channels + c] = t / (min(s_i, s_j) - q + np.float32(0.3))
            row[at + 2 * n_channels + c] = t / (s_i + s_j - 2 * q - t + np.float32(0.3))
            row[at + 3 * n_channels + c] = q
        total = np.float32(0)
        for c in range(width):
            total += row[c]
        mean = total / np.float32(width)
        square = np.float32(0)
        for c in range(width):
            square += (row[c] - mean) * (row[c] - mean)
        scale = np.float32(1) / np.sqrt(square / np.float32(width) + eps)
        for c in range(width):
            row[c] = (row[c] - mean) * scale * weight[c] + bias[c]
