"""What the numbers of the block ``encoder`` in ``params.yaml`` may be, said before any work is done."""

from __future__ import annotations

import math

from hilander.config import EncoderParams
from hilander.ranges import check_ranges

_LARGEST_MARGINS = {"arcface": 180.0, "subcenter_arcface": 180.0, "cosface": 1.0, "softmax": 0.0}


def check_encoder_params(params: EncoderParams) -> None:
    """Raise ValueError where a number of `params`, or of a network of its ensemble, makes no training.

    Names (of networks, losses, devices) are left to what reads them.
    """
    for own in params.networks():
        check_ranges(own, "encoder.")
        largest = _LARGEST_MARGINS.get(own.loss, math.inf)
        if own.margin is not None and not 0 <= own.margin <= largest:
            raise ValueError(
                f"encoder.margin must be from 0 to {largest:g} for {own.loss}, or null; got {own.margin!r}"
            )
    if params.whitening is not None and not 0 < params.whitening <= 1:
        raise ValueError(f"encoder.whitening must be above 0 and at most 1, or null; got {params.whitening!r}")
