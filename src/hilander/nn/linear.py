"""Linear layers on the CPU by oneDNN."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class Linear(nn.Linear):
    """`torch.nn.Linear`, with the same parameters and, to rounding, the same results and gradients.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool

    Notes
    -----
    **Shapes:** (n, in_features) → (n, out_features), float32, whatever torch's default is.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias, dtype=torch.float32)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``inputs weightᵀ + bias``."""
        return apply_linear(inputs, self.weight, self.bias)


def apply_linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``inputs weightᵀ + bias`` as `torch.nn.functional.linear` does, with gradients.

    Parameters
    ----------
    inputs : Tensor of shape (n, in_features), float32
    weight : Tensor of shape (out_features, in_features), float32
    bias : Tensor of shape (out_features,), float32, optional
    """
    if len(inputs) and inputs.device.type == "cpu" and inputs.dtype == weight.dtype == torch.float32 and _has_onednn():
        product: Tensor = _Product.apply(inputs, weight, bias)
        return product
    return functional.linear(inputs, weight, bias)


def linear(
    inputs: NDArray[np.float32], weight: Tensor, bias: Tensor | None = None, *, relu: bool = False
) -> NDArray[np.float32]:
    """Return ``inputs weightᵀ + bias``, or what is positive of it, without gradients.

    Parameters
    ----------
    inputs : ndarray of shape (n, in_features), float32
    weight : Tensor of shape (out_features, in_features), float32
        Contiguous, without gradient.
    bias : Tensor of shape (out_features,), float32, optional
    relu : bool

    Returns
    -------
    ndarray of shape (n, out_features), float32
    """
    if len(inputs) and _has_onednn():
        return _multiply(torch.from_numpy(inputs), weight, bias, "relu" if relu else "none").numpy()
    found = functional.linear(torch.from_numpy(inputs), weight, bias)
    return (found.relu_() if relu else found).numpy()


@cache
def _has_onednn() -> bool:
    """Whether oneDNN multiplies in single precision here, which is tried once.

    Torch leaves such products to MKL, and numpy to OpenBLAS. On AMD processors with AVX-512 both multiply by AVX2
    alone, at less than half the speed of oneDNN, which makes code for what the processor has: 105, 122 and 250 GFLOPS
    on one core of Zen 5 (2026-11-30). Torch has the operator for its compiler, to put it in a linear layer's place.
    """
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    try:
        one = torch.ones((1, 1), dtype=torch.float32)
        return bool(_multiply(one, one, None) == 1)
    except RuntimeError:  # torch knows the operator, but was built without it
        return False


def _multiply(inputs: Tensor, weight: Tensor, bias: Tensor | None, activation: str = "none") -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, activation, [], "")
    return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return _multiply(inputs.contiguous(), weight.contiguous(), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        inputs, weight = ctx.saved_tensors
        needs_inputs, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            _multiply(gradient.contiguous(), weight.t().contiguous(), None) if needs_inputs else None,
            # Both factors would have to be transposed in memory for oneDNN, which takes as long as it would save.
            gradient.t() @ inputs if needs_weight else None,
            gradient.sum(dim=0) if needs_bias else None,
        )
