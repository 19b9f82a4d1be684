"""How an encoder learns further from images whose classes nobody named."""

from __future__ import annotations

from dataclasses import dataclass

from hilander.allowed_values import Count, Positive


@dataclass(frozen=True)
class SelfTrainingParams:
    """Rounds of clustering and of training on the clusters; the rest is as in the encoder's own training."""

    rounds: Count = 3
    epochs: Count = 10  # of each network in each round
    learning_rate: Positive = 0.002  # the highest of one cycle a round
