"""What RelationalLander does to each edge beside its matrix products, compiled; see `hilander.nn.chunked_lander`.

Each edge is computed alike wherever it stands, so parts of a graph get the bits of the whole. The steps of a kernel are
loops of their own over the edges of a block: one long loop would keep the compiler from taking many numbers at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hilander.nn.vector_math import SAME_EVERYWHERE, log1p, sigmoid


@njit(cache=True, fastmath=SAME_EVERYWHERE, nogil=True, error_model="numpy")
def standardize(features, mean, scale, largest, out):
    """Fill in (features − mean) · scale (m, w), within ± `largest`."""
    for e in range(len(features)):
        for c in range(features.shape[1]):
            scaled = (features[e, c] - mean[c]) * scale[c]
            out[e, c] = min(max(scaled, -largest), largest)


@njit(cache=True, fastmath=SAME_EVERYWHERE, nogil=True, error_model="numpy")
def add_states(states, linkage, edges, first, last, sums):
    """Add some columns of relu(h) and p · relu(h), and with the first one p, of every edge to both its ends."""
    hidden = states.shape[1]
    for e in range(len(edges)):
        p, own = linkage[e], states[e, first:last]
        for end in range(2):
            node = edges[e, end]
            plain, weighted = sums[node, first:last], sums[node, hidden + first : hidden + last]
            for c in range(last - first):
                plain[c] += max(own[c], np.float32(0))
            for c in range(last - first):
                weighted[c] += p * max(own[c], np.float32(0))
            if first == 0:
                sums[node, 2 * hidden] += p


@njit(cache=True, fastmath=SAME_EVERYWHERE, nogil=True, error_model="numpy")
def read_channels(states, linkage, weight, bias, channels):
    """Fill in ``q = [p ; σ(Q h)]`` of `MessageRound`, with Q in `weight` (n_channels, hidden)."""
    for e in range(len(states)):
        channels[e, 0] = linkage[e]
        for q in range(len(weight)):
            total = bias[q]
            for c in range(states.shape[1]):
                total += weight[q, c] * states[e, c]
            channels[e, 1 + q] = sigmoid(total)


@njit(cache=True, fastmath=SAME_EVERYWHERE, nogil=True, error_model="numpy")
def normalize_inputs(edges, states, channels, paths, nodes, strength, eps, out):
    """Fill in what an edge is updated from, in the order of `MessageRound`, at mean 0 and deviation 1 (m, width)."""
    hidden, n_channels = states.shape[1], channels.shape[1]
    for e in range(len(edges)):
        of_i, of_j = nodes[edges[e, 0]], nodes[edges[e, 1]]
        own, total, apart = out[e, :hidden], out[e, hidden : 2 * hidden], out[e, 2 * hidden : 3 * hidden]
        for c in range(hidden):
            own[c] = states[e, c]
        for c in range(hidden):
            total[c] = of_i[c] + of_j[c]
        for c in range(hidden):
            apart[c] = abs(of_i[c] - of_j[c])
    at = 3 * hidden
    for e in range(len(edges)):
        of_i, of_j, row = strength[edges[e, 0]], strength[edges[e, 1]], out[e]
        for c in range(n_channels):
            s_i, s_j, q, t = of_i[c], of_j[c], channels[e, c], paths[e, c]
            row[at + c] = log1p(t)
            row[at + n_channels + c] = t / (min(s_i, s_j) - q + np.float32(0.3))
            row[at + 2 * n_channels + c] = t / (s_i + s_j - 2 * q - t + np.float32(0.3))
            row[at + 3 * n_channels + c] = q
    width = out.shape[1]
    for e in range(len(edges)):
        row = out[e]
        total = np.float32(0)
        for c in range(width):
            total += row[c]
        mean = total / np.float32(width)
        square = np.float32(0)
        for c in range(width):
            square += (row[c] - mean) * (row[c] - mean)
        scale = np.float32(1) / np.sqrt(square / np.float32(width) + eps)
        for c in range(width):
            row[c] = (row[c] - mean) * scale


@njit(cache=True, fastmath=SAME_EVERYWHERE, nogil=True, error_model="numpy")
def add_update(update, bias, weight, offset, states, linkage):
    """Add update + bias (m, hidden) to the states, and fill in the linkage σ(w · h + offset) (m,)."""
    for e in range(len(states)):
        for c in range(states.shape[1]):
            states[e, c] += update[e, c] + bias[c]
    for e in range(len(states)):
        logit = offset
        for c in range(states.shape[1]):
            logit += weight[c] * states[e, c]
        linkage[e] = logit
    for e in range(len(states)):
        linkage[e] = sigmoid(linkage[e])
