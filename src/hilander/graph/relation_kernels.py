"""What `hilander.graph.relations` computes for each node and each edge, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from hilander.graph.pairs import N_CANDIDATES

_SHARED_SIZES = (5, 10, 20, 40)  # of the lists in which shared neighbours are counted


@njit(cache=True, nogil=True)
def count_listed(neighbors, counts):
    """Add to `counts` (n,) how many of the lists (r, k) hold each node."""
    for row in neighbors:
        for node in row:
            counts[node] += 1


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def smooth_embeddings(embeddings, neighbors, similarities, nodes, sizes, smoothed):
    """Normalised sums of embeddings and their weighted neighbours, over more and more of these."""
    d = embeddings.shape[1]
    for row in range(len(nodes)):
        i = nodes[row]
        taken = 0
        for s in range(len(sizes)):
            before = embeddings[i] if s == 0 else smoothed[row, s - 1]
            total = smoothed[row, s]
            for c in range(d):
                total[c] = before[c]
            while taken < min(sizes[s], neighbors.shape[1]):
                other = embeddings[neighbors[i, taken]]
                weight = min(max(similarities[i, taken], np.float32(0)), np.float32(1))
                weight = weight * weight * weight
                for c in range(d):
                    total[c] += weight * other[c]
                taken += 1
        for s in range(len(sizes)):
            total = smoothed[row, s]
            square = np.float32(0)
            for c in range(d):
                square += total[c] * total[c]
            scale = np.float32(1) / max(np.sqrt(square), np.float32(1e-12))
            for c in range(d):
                total[c] *= scale


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def describe_edges(edges, position, embeddings, neighbors, per_node, weight, smoothed, row_of, log_ranks, out, column):
    """Fill `out` in the order of `FEATURE_NAMES`; `per_node` holds local means, log in-degree and 1 / spread.

    `position` (n,) comes and goes filled with k: the rank of every node in the list of the current first end. The last
    of `log_ranks` is that of a node which is not listed, or listed beyond it.
    """
    k = neighbors.shape[1]
    d = embeddings.shape[1]
    n_weighted = min(k, N_CANDIDATES)
    last = len(log_ranks)
    worse = np.empty(k, np.int32)  # of a neighbour's two positions
    current = -1
    for e in range(len(edges)):
        i, j = edges[e, 0], edges[e, 1]
        if i != current:
            if current >= 0:
                for q in range(k):
                    position[neighbors[current, q]] = k
            for q in range(k):
                position[neighbors[i, q]] = q
            current = i
        features = out[e, column:]

        rank = last
        of_j = neighbors[j]
        for q in range(k):
            worse[q] = max(position[of_j[q]], np.int32(q))
        for q in range(k):
            if of_j[q] == i:
                rank = q + 1
        there = position[j] + 1 if position[j] < k else last
        better, other = min(there, rank), max(there, rank)  # both may lie beyond all logarithms where k does
        features[1], features[2] = log_ranks[min(better, last) - 1], log_ranks[min(other, last) - 1]
        for s in range(len(_SHARED_SIZES)):
            size = min(_SHARED_SIZES[s], k)
            shared = np.int32(0)
            for q in range(k):  # beyond `size` it is worse anyway
                shared += np.int32(worse[q] < size)
            features[3 + s] = np.float32(shared) / np.float32(size)
        adamic_adar = np.float32(0)
        for q in range(n_weighted):
            if worse[q] < n_weighted:
                adamic_adar += weight[of_j[q]]
        features[7] = adamic_adar

        a, b = row_of[i], row_of[j]
        similarity = np.float32(0)
        near, near_i, near_j = np.float32(0), np.float32(0), np.float32(0)
        wide, wide_i, wide_j = np.float32(0), np.float32(0), np.float32(0)
        for c in range(d):
            x, y = embeddings[i, c], embeddings[j, c]
            similarity += x * y
            near += smoothed[a, 0, c] * smoothed[b, 0, c]
            near_i += smoothed[a, 0, c] * y
            near_j += x * smoothed[b, 0, c]
            wide += smoothed[a, 1, c] * smoothed[b, 1, c]
            wide_i += smoothed[a, 1, c] * y
            wide_j += x * smoothed[b, 1, c]
        features[0] = similarity
        features[23], features[24], features[25] = near, min(near_i, near_j), max(near_i, near_j)
        features[26], features[27], features[28] = wide, min(wide_i, wide_j), max(wide_i, wide_j)

        at_i, at_j = per_node[i], per_node[j]
        for p in range(5):
            features[8 + 2 * p] = min(at_i[p], at_j[p])
            features[9 + 2 * p] = max(at_i[p], at_j[p])
        z_i, z_j = (similarity - at_i[3]) * at_i[5], (similarity - at_j[3]) * at_j[5]
        features[18], features[19] = min(z_i, z_j), max(z_i, z_j)
        features[20] = similarity - (at_i[2] + at_j[2]) / np.float32(2)
        features[21], features[22] = similarity - max(at_i[0], at_j[0]), similarity - min(at_i[0], at_j[0])
    for q in range(k):
        position[neighbors[current, q]] = k
