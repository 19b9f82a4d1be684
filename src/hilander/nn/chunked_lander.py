"""RelationalLander on the CPU in bounded memory: features arrive in chunks, and what is wide stays in the cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from hilander.graph.triangles import sum_over_triangles
from hilander.nn.edge_states import EdgeStates
from hilander.nn.relational_lander import MessageRound, RelationalLander
from hilander.nn.scatter import sum_at_ends

_EDGES_IN_CACHE = 1 << 11  # (edges, 92) float32 in 0.7 MB


def link_in_chunks(
    network: RelationalLander,
    features: Iterable[NDArray[np.float32]],
    edges: NDArray[np.int64],
    degrees: NDArray[np.float32],
    show_progress: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return linkage and density as `RelationalLander.forward` does, to rounding.

    Held beside the arguments are one state per edge, see `EdgeStates`, and a dozen floats: neither all features nor a
    list of triangles.

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
        in_cache = _rebatched(features, _EDGES_IN_CACHE)
        for (rows, state), chunk in zip(states.chunks(_EDGES_IN_CACHE), in_cache, strict=True):
            np.maximum(chunk[:, 0], 0, out=affinity[rows])
            state[:] = network.first_states(torch.from_numpy(chunk))
            linkage[rows] = first_readout(state)[:, 0].sigmoid()
            passed.update(len(chunk))
        of_nodes = torch.from_numpy(degrees)[:, None].clamp(min=1)
        for message_round, readout in zip(network.rounds, readouts, strict=True):
            for n_edges in _advance(cast(MessageRound, message_round), readout, states, linkage, edges, of_nodes):
                passed.update(n_edges)
        signed = torch.from_numpy(affinity) * (2 * linkage - 1)
        density = sum_at_ends(signed[:, None], torch.from_numpy(edges), n) / of_nodes
    return linkage.numpy(), density[:, 0].numpy()


def _rebatched(chunks: Iterable[NDArray[np.float32]], n_rows: int) -> Iterator[NDArray[np.float32]]:
    """Yield the same rows, so many at a time."""
    rest = np.empty((0, 0), np.float32)
    for chunk in chunks:
        rest = np.concatenate([rest, chunk]) if len(rest) else chunk
        while len(rest) >= n_rows:
            yield rest[:n_rows]
            rest = rest[n_rows:]
    if len(rest):
        yield rest


def _advance(
    message_round: MessageRound,
    readout: nn.Module,
    states: EdgeStates,
    linkage: Tensor,
    edges: NDArray[np.int64],
    degrees: Tensor,
) -> Iterator[int]:
    """Bring states and linkage one round further, in place; yields how many edges have got there, chunk by chunk."""
    hidden, n_channels = message_round.to_channels.in_features, 1 + message_round.to_channels.out_features
    sums = torch.zeros((len(degrees), 2 * hidden + 1))
    channels = torch.empty((len(edges), n_channels))
    for rows, state in states.chunks(_EDGES_IN_CACHE):
        _add_states(state.numpy(), linkage[rows].numpy(), edges[rows], sums.numpy())
        channels[rows, 0] = linkage[rows]
        channels[rows, 1:] = message_round.to_channels(state).sigmoid()
    nodes = message_round.nodes(sums, degrees)
    strength = sum_at_ends(channels, torch.from_numpy(edges), len(degrees))
    paths = torch.from_numpy(sum_over_triangles(channels.numpy(), edges, len(degrees)))

    norm, update = cast(nn.LayerNorm, message_round.update[0]), message_round.update[1:]
    scale, shift = norm.weight.numpy(), norm.bias.numpy()
    inputs = np.empty((_EDGES_IN_CACHE, len(scale)), np.float32)
    for rows, state in states.chunks(_EDGES_IN_CACHE):
        chunk = inputs[: len(state)]
        _normalized_inputs(
            edges[rows],
            state.numpy(),
            channels[rows].numpy(),
            paths[rows].numpy(),
            paths[rows].log1p().numpy(),
            nodes.numpy(),
            strength.numpy(),
            scale,
            shift,
            np.float32(norm.eps),
            chunk,
        )
        state += update(torch.from_numpy(chunk))
        linkage[rows] = readout(state)[:, 0].sigmoid()
        yield len(state)


@njit(cache=True, fastmath=True)
def _add_states(states, linkage, edges, sums):
    """Add relu(h), p · relu(h) and p of every edge to both its ends."""
    hidden = states.shape[1]
    for e in range(len(edges)):
        i, j, p = edges[e, 0], edges[e, 1], linkage[e]
        for c in range(hidden):
            active = max(states[e, c], np.float32(0))
            sums[i, c] += active
            sums[j, c] += active
            sums[i, hidden + c] += p * active
            sums[j, hidden + c] += p * active
        sums[i, 2 * hidden] += p
        sums[j, 2 * hidden] += p


@njit(cache=True, fastmath=True)
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
