"""RelationalLander on the CPU in bounded memory: features arrive in chunks, and what is wide stays in the cache."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from hilander.graph.threads import by_threads, use_one_core
from hilander.graph.triangles import sum_over_triangles
from hilander.nn.edge_kernels import add_states, add_update, normalize_inputs, read_channels, standardize
from hilander.nn.edge_states import EdgeStates
from hilander.nn.linear import linear
from hilander.nn.relational_lander import LARGEST_INPUT, MessageRound, RelationalLander
from hilander.nn.scatter import sum_at_ends
from hilander.paged_arrays import let_go

_EDGES_PER_WINDOW = 1 << 16
_NODES_PER_PART = 1 << 14
_EDGES_IN_CACHE = 1 << 11  # of a window, that one thread works on: (edges, 92) float32 in .75 MB


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
        linkage, affinity = torch.empty(m, dtype=torch.float32), np.empty(m, np.float32)
        start = 0
        for chunk in features:
            rows = slice(start, start + len(chunk))
            np.maximum(chunk[:, 0], 0, out=affinity[rows])
            first_states(network, chunk, states.window(rows), linkage[rows])
            start = rows.stop
            passed.update(len(chunk))
        of_nodes = torch.from_numpy(degrees)[:, None].clamp(min=1)
        rounds = [cast(MessageRound, message_round) for message_round in network.rounds]
        windows = [slice(start, min(start + _EDGES_PER_WINDOW, m)) for start in range(0, m, _EDGES_PER_WINDOW)]
        messages = _Messages.none(rounds[0], m, n)
        for rows in windows:
            messages.read(rounds[0], states.window(rows, changes=False), linkage[rows], edges, rows)
        for message_round, following, readout in zip(rounds, [*rounds[1:], None], readouts, strict=True):
            nodes, strength, paths = messages.passed_on(message_round, edges, of_nodes)
            for rows in windows:
                window = states.window(rows, changes=following is not None)
                of_edges = edges[rows], torch.from_numpy(messages.channels[rows]), torch.from_numpy(paths[rows])
                update_edges(message_round, readout, window, linkage[rows], *of_edges, nodes, strength)
                if following is not None:  # at once, while the states are at hand
                    messages.read(following, window, linkage[rows], edges, rows)
                let_go(edges)
                passed.update(len(window))
        signed = torch.from_numpy(affinity) * (2 * linkage - 1)
        density = sum_at_ends(signed[:, None], torch.from_numpy(edges), n) / of_nodes
    return linkage.numpy(), density[:, 0].numpy()


def first_states(network: RelationalLander, features: NDArray[np.float32], states: Tensor, linkage: Tensor) -> None:
    """Fill in the first states (m, hidden) and linkage (m,) of some edges from their features."""
    features = np.ascontiguousarray(features[:, : network.n_features])
    mean, scale = network.feature_mean.numpy(), (1 / network.feature_std).numpy()
    encode, finish = _Perceptron(network.encode), _readout(network.readouts[0])

    @torch.inference_mode()
    def begin(block: slice) -> None:
        inputs = _room(features.shape[1], block)
        standardize(features[block], mean, scale, np.float32(LARGEST_INPUT), inputs)
        states[block] = 0
        add_update(encode(inputs), encode.last_bias, *finish, states[block].numpy(), linkage[block].numpy())

    by_threads(begin, len(states), _EDGES_IN_CACHE, prepare_thread=use_one_core)


@dataclass
class _Messages:
    """What the edges of a graph tell its nodes and triangles in one round.

    Attributes
    ----------
    sums : Tensor of shape (n, 2 hidden + 1)
        See `add_to_nodes`.
    channels : ndarray of shape (m, n_channels + 1), float32
        See `fill_channels`.
    """

    sums: Tensor
    channels: NDArray[np.float32]

    @classmethod
    def none(cls, message_round: MessageRound, m: int, n: int) -> _Messages:
        to_channels = message_round.to_channels
        channels = np.empty((m, 1 + to_channels.out_features), np.float32)
        return cls(torch.zeros((n, 2 * to_channels.in_features + 1), dtype=torch.float32), channels)

    def read(
        self, message_round: MessageRound, states: Tensor, linkage: Tensor, edges: NDArray[np.int64], rows: slice
    ) -> None:
        """Take in what some edges tell in a round."""
        add_to_nodes(states, linkage, edges[rows], self.sums)
        fill_channels(message_round, states, linkage, torch.from_numpy(self.channels[rows]))

    def passed_on(
        self, message_round: MessageRound, edges: NDArray[np.int64], degrees: Tensor
    ) -> tuple[Tensor, Tensor, NDArray[np.float32]]:
        """Return n and s of the nodes and T of the edges, as `MessageRound` names them; sums begin anew."""
        n = len(degrees)
        nodes = _node_states(message_round, self.sums, degrees)
        self.sums = torch.empty(0)  # so much less beside the triangles
        strength = sum_at_ends(torch.from_numpy(self.channels), torch.from_numpy(edges), n)
        paths = sum_over_triangles(self.channels, edges, n)
        # of NumPy's zeros, which take memory only when they are written to: after the last round none are
        self.sums = torch.from_numpy(np.zeros((n, 2 * nodes.shape[1] + 1), np.float32))
        return nodes, strength, paths


def _node_states(message_round: MessageRound, sums: Tensor, degrees: Tensor) -> Tensor:
    """Return what `MessageRound.nodes` does (n, hidden), made of a part of the nodes at once.

    No part is short: products of few rows may be rounded otherwise.
    """
    n = len(sums)
    nodes = torch.empty((n, message_round.to_channels.in_features), dtype=torch.float32)
    n_parts = max(n // _NODES_PER_PART, 1)

    @torch.inference_mode()
    def fill(part: slice) -> None:
        rows = slice(part.start * n // n_parts, part.stop * n // n_parts)
        nodes[rows] = message_round.nodes(sums[rows], degrees[rows])

    by_threads(fill, n_parts, 1, prepare_thread=use_one_core)
    return nodes


def add_to_nodes(states: Tensor, linkage: Tensor, edges: NDArray[np.int64], sums: Tensor) -> None:
    """Add some edges to the sums (n, 2 hidden + 1) over the edges at each node, as `MessageRound` names them."""
    hidden = states.shape[1]

    def add(columns: slice) -> None:
        add_states(states.numpy(), linkage.numpy(), edges, columns.start, columns.stop, sums.numpy())

    by_threads(add, hidden, -(-hidden // 2))  # two threads may not write the same node, so they part the columns


def fill_channels(message_round: MessageRound, states: Tensor, linkage: Tensor, channels: Tensor) -> None:
    """Fill in the channels (m, n_channels + 1) of some edges."""
    weight, bias = (parameter.detach().numpy() for parameter in message_round.to_channels.parameters())

    def read(block: slice) -> None:
        read_channels(states[block].numpy(), linkage[block].numpy(), weight, bias, channels[block].numpy())

    by_threads(read, len(states), _EDGES_IN_CACHE)


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
    norm = cast(nn.LayerNorm, message_round.update[0])
    update, finish = _Perceptron(cast(nn.Sequential, message_round.update[1:]), norm), _readout(readout)
    of_nodes = nodes.numpy(), strength.numpy(), np.float32(norm.eps)

    @torch.inference_mode()
    def advance(block: slice) -> None:
        own, inputs = states[block].numpy(), _room(len(norm.weight), block)
        normalize_inputs(edges[block], own, channels[block].numpy(), paths[block].numpy(), *of_nodes, inputs)
        add_update(update(inputs), update.last_bias, *finish, own, linkage[block].numpy())

    by_threads(advance, len(states), _EDGES_IN_CACHE, prepare_thread=use_one_core)


class _Perceptron:
    """Two layers of a network without the last bias, after the scale and shift of a LayerNorm where there is one."""

    def __init__(self, layers: nn.Sequential, norm: nn.LayerNorm | None = None) -> None:
        first, last = (layer for layer in layers if isinstance(layer, nn.Linear))
        weight, bias = first.weight.detach(), first.bias.detach()
        if norm is not None:  # both are linear, so they are one
            bias = bias + weight @ norm.bias.detach()
            weight = weight * norm.weight.detach()
        self._first, self._bias, self._last = weight.contiguous(), bias, last.weight.detach().contiguous()
        self.last_bias = last.bias.detach().numpy()

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return linear(linear(inputs, self._first, self._bias, relu=True), self._last)


def _readout(layer: nn.Module) -> tuple[NDArray[np.float32], np.float32]:
    weight, bias = (parameter.detach().numpy() for parameter in layer.parameters())
    return weight[0], bias[0]


def _room(width: int, block: slice) -> NDArray[np.float32]:
    """Room for the inputs of a full block, with zeros where this one ends earlier.

    Products of another length may be left to other instructions, which round otherwise: and parts of a graph, which
    end elsewhere than the whole, would then get other bits.
    """
    inputs = np.empty((_EDGES_IN_CACHE, width), np.float32)
    inputs[block.stop - block.start :] = 0
    return inputs
