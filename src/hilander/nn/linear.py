"""Linear layers at inference on the CPU, by oneDNN."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

# Torch leaves products in single precision to MKL, and numpy to OpenBLAS. On AMD processors with AVX-512 both multiply
# by AVX2 alone, at less than half the speed of oneDNN, which makes code for what the processor has: 105, 122 and 250
# GFLOPS on one core of Zen 5 (2026-11-30). Torch has this operator for its compiler to put in a linear layer's place.
_BY_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(
    inputs: NDArray[np.float32], weight: Tensor, bias: Tensor | None = None, *, relu: bool = False
) -> NDArray[np.float32]:
    """Return ``inputs weightᵀ + bias``, or what is positive of it.

    To be called in inference mode, or with tensors that need no gradient.

    Parameters
    ----------
    inputs : ndarray of shape (n, in_features), float32
    weight : Tensor of shape (out_features, in_features), float32
        Contiguous.
    bias : Tensor of shape (out_features,), float32, optional
    relu : bool

    Returns
    -------
    ndarray of shape (n, out_features), float32
    """
    if _BY_ONEDNN and len(inputs):
        activation = "relu" if relu else "none"
        found = torch.ops.mkldnn._linear_pointwise(torch.from_numpy(inputs), weight, bias, activation, [], "")
        return found.numpy()
    found = functional.linear(torch.from_numpy(inputs), weight, bias)
    return (found.relu_() if relu else found).numpy()
