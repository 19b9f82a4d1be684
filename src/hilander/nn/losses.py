"""What LANDER is trained on: balanced cross-entropy of linkage and squared error of density."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def linkage_loss(
    logits: Tensor, targets: Tensor, mask: Tensor, *, balance: bool = True, focal_gamma: float = 0.0
) -> Tensor:
    """Cross-entropy, or focal loss, over the masked edges (Xing et al. 2021, equation 6).

    Parameters
    ----------
    logits : Tensor of shape (m, 2), float32
    targets : Tensor of shape (m,)
        1 where an edge links two of a class, else 0.
    mask : Tensor of shape (m,), bool
        Edges from higher to lower true density, the only ones that decoding looks at.
    balance : bool
        Draw as many of the more frequent kind as there are of the rarer one, from torch's global generator.
    focal_gamma : float
        0 is plain cross-entropy; the published focal loss (Lin et al. 2017) has 2.

    Returns
    -------
    Tensor, scalar
        0 where no edge is left.
    """
    positive = torch.nonzero(mask & (targets > 0)).squeeze(1)
    negative = torch.nonzero(mask & (targets <= 0)).squeeze(1)
    if balance:
        fewer = min(len(positive), len(negative))
        positive, negative = _draw(positive, fewer), _draw(negative, fewer)
    chosen = torch.cat([positive, negative])
    if len(chosen) == 0:
        return logits.sum() * 0
    loss = functional.cross_entropy(logits[chosen], (targets[chosen] > 0).long(), reduction="none")
    if focal_gamma:
        loss = (1 - torch.exp(-loss)) ** focal_gamma * loss
    return loss.mean()


def density_loss(density: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of densities, both of shape (n,) (Xing et al. 2021, equation 7)."""
    return functional.mse_loss(density, targets)


def _draw(indices: Tensor, count: int) -> Tensor:
    if len(indices) == count:
        return indices
    return indices[torch.randperm(len(indices), device=indices.device)[:count]]
