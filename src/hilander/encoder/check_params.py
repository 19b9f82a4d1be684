"""What the block ``encoder`` in ``params.yaml`` may hold, said before any work is done."""

from __future__ import annotations

import math

from hilander.allowed_values import check_values
from hilander.config import EncoderParams

_LARGEST_MARGINS = {"arcface": 180.0, "subcenter_arcface": 180.0, "cosface": 1.0, "softmax": 0.0}


def check_encoder_params(params: EncoderParams) -> None:
    """Raise ValueError where a value of `params`, or of a network of its ensemble, makes no training."""
    for own in params.networks():
        check_values(own, "encoder.")
        largest = _LARGEST_MARGINS.get(own.loss, math.inf)
        if own.margin is not None and not 0 <= own.margin <= largest:
            raise ValueError(
                f"encoder.margin must be from 0 to {largest:g} for {own.loss}, or null; got {own.margin!r}"
            )
    if params.whitening is not None and not 0 < params.whitening <= 1:
        raise ValueError(f"encoder.whitening must be above 0 and at most 1, or null; got {params.whitening!r}")
