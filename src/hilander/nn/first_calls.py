"""Elementwise functions of torch that give the same bits from their first call on.

Torch leaves these functions to Intel's MKL, which chooses the code for this processor in each one's first call, without
a lock: where two threads make that call together, one of them may get code of another accuracy, once, for its whole
share (pytorch/pytorch#188792; MKL 2024.2, which comes with torch 2.13). One call on one number, before there are
threads, makes the choice for good.
"""

from __future__ import annotations

import torch

_OF_MKL = (
    *(torch.acos, torch.asin, torch.atan, torch.cos, torch.sin, torch.tan, torch.tanh),
    *(torch.erf, torch.erfc, torch.erfinv, torch.exp, torch.log, torch.log2, torch.log10, torch.sqrt, torch.trunc),
)


def make_first_calls() -> None:
    """Call each function once in each precision; it is the first call only if none was made before."""
    for dtype in (torch.float32, torch.float64):
        number = torch.full((1,), 0.5, dtype=dtype)
        for function in _OF_MKL:
            function(number)
