"""What LANDER learns to predict: linkage of edges and density of nodes, from class labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def true_linkage(neighbors: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return y_ij = 1 where a neighbour is of its row's class, else 0.

    Parameters
    ----------
    neighbors : ndarray of shape (n, k), int64
    labels : ndarray of shape (n,), int64

    Returns
    -------
    ndarray of shape (n, k), float32
    """
    return (labels[neighbors] == labels[:, None]).astype(np.float32)


def density_of(similarities: NDArray[np.float32], linkage: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each node's density from the linkages of its in-edges (Xing et al. 2021, equation 4).

    ``d_i = 1/k Σ_j a_ij (p_ij − (1 − p_ij))`` with the affinity ``a_ij = max(cos, 0)``: high where a node
    lies among many similar nodes of its own kind. With true linkages it is the training target, with
    predicted ones the estimate.

    Parameters
    ----------
    similarities : ndarray of shape (n, k), float32
        Cosine similarities.
    linkage : ndarray of shape (n, k), float32
        Probabilities, or 0 and 1.

    Returns
    -------
    ndarray of shape (n,), float32
        Within [-1, 1]; 0 where a node has no neighbours.
    """
    if similarities.shape[1] == 0:
        return np.zeros(len(similarities), np.float32)
    signed = np.maximum(similarities, 0) * (2 * linkage - 1)
    return signed.mean(axis=1).astype(np.float32)
