"""Inputs of a network, standardised by what they were in training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CONSTANT = 1e-4  # a feature that deviates less in training says nothing about how much it will elsewhere


class StandardizedInputs(nn.Module):
    """A network that knows mean and deviation of its training features; they are saved with its weights.

    Parameters
    ----------
    n_features : int
        Width of the features.
    largest : float
        Standard deviations that features farther from the mean are taken for.
    """

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, n_features: int, *, largest: float) -> None:
        super().__init__()
        self.register_buffer("feature_mean", torch.zeros(n_features, dtype=torch.float32))
        self.register_buffer("feature_std", torch.ones(n_features, dtype=torch.float32))
        self._largest = largest

    @property
    def n_features(self) -> int:
        """How many features it reads."""
        return len(self.feature_mean)

    def set_standardization(self, features: Tensor) -> None:
        """Take mean and deviation of the training features (m, n_features)."""
        self.feature_mean.copy_(features.mean(dim=0))
        deviation = features.std(dim=0, correction=0)
        self.feature_std.copy_(torch.where(deviation > _CONSTANT, deviation, 1.0))

    def standardize(self, features: Tensor) -> Tensor:
        """Return the features (m, n_features) in standard deviations from the mean, none farther than the largest."""
        scaled = (features - self.feature_mean) / self.feature_std
        return scaled.clamp(-self._largest, self._largest)
