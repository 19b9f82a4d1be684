"""Principal components, the encoder of those who have none."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def principal_components(x: Tensor, n_components: int, *, whitened: float) -> Tensor:
    """Return the projection to the first ones, over that power of their deviations.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
        Of mean 0.
    n_components : int
    whitened : float
        From 0, components as they are, to 1, all of one deviation.

    Returns
    -------
    Tensor of shape (n_features, n_components)
        Zeros where there are more components than features.
    """
    variances, directions = torch.linalg.eigh(x.T @ x / len(x))
    deviations = variances.clamp_min(1e-6).sqrt()
    components = (directions / deviations**whitened).flip(1)[:, :n_components]
    return pad(components, (0, n_components - components.shape[1]))
