"""PReLU with gradients, and PReLU of what an edge's two ends add up to: one compiled pass over each row on the CPU.

torch makes an array of its own for each step, and one as large for the slope's gradient before it sums that up. The
sums run over rows in their order whatever the number of threads, which part the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from hilander.graph.threads import by_threads

_COLUMNS_PER_BLOCK = 128  # that one thread works on


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """Return max(x, 0) + slope · min(x, 0), (m, c), for slopes (c,)."""
    return _PRelu.apply(x, slope) if x.device.type == "cpu" else functional.prelu(x, slope)


def prelu_of_ends(source: Tensor, destination: Tensor, sources: Tensor, destinations: Tensor, slope: Tensor) -> Tensor:
    """Return the PReLU of ``source[sources] + destination[destinations]``.

    Shapes
    ------
    source (n_sources, c), destination (n_destinations, c) float32; sources, destinations (m,) int64; slope (c,)
    → (m, c)
    """
    if source.device.type == "cpu":
        return _PReluOfEnds.apply(source, destination, sources, destinations, slope)
    return functional.prelu(source[sources] + destination[destinations], slope)


class _PRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        values, slopes = _array(x), _array(slope)
        out = np.empty_like(values)
        _by_columns(lambda first, last: _activate(values, slopes, first, last, out), len(slopes))
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        values, slopes = (_array(saved) for saved in ctx.saved_tensors)
        return _gradients(values, slopes, _array(gradient))


class _PReluOfEnds(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, source: Tensor, destination: Tensor, sources: Tensor, destinations: Tensor, slope: Tensor
    ) -> Tensor:
        at_sources, at_destinations, slopes = _array(source), _array(destination), _array(slope)
        rows = _array(sources), _array(destinations)
        joint, out = (np.empty((len(sources), len(slopes)), slopes.dtype) for _ in range(2))

        def join(first: int, last: int) -> None:
            _join(at_sources, at_destinations, rows[0], rows[1], slopes, first, last, joint, out)

        _by_columns(join, len(slopes))
        ctx.save_for_backward(torch.from_numpy(joint), sources, destinations, slope)
        ctx.n_ends = len(source), len(destination)
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, Tensor]:
        joint, sources, destinations, slopes = (_array(saved) for saved in ctx.saved_tensors)
        of_joint, of_slope = _gradients(joint, slopes, _array(gradient))
        gradients = of_joint.numpy()
        of_source, of_destination = (np.zeros((n, len(slopes)), gradients.dtype) for n in ctx.n_ends)

        def add(first: int, last: int) -> None:
            _add_to_ends(gradients, sources, destinations, first, last, of_source, of_destination)

        _by_columns(add, len(slopes))
        return torch.from_numpy(of_source), torch.from_numpy(of_destination), None, None, of_slope


def _gradients(values: NDArray, slopes: NDArray, gradient: NDArray) -> tuple[Tensor, Tensor]:
    of_values, of_slopes = np.empty_like(values), np.zeros_like(slopes)

    def pass_back(first: int, last: int) -> None:
        _pass_back(values, slopes, gradient, first, last, of_values, of_slopes)

    _by_columns(pass_back, len(slopes))
    return torch.from_numpy(of_values), torch.from_numpy(of_slopes)


def _by_columns(work: Callable[[int, int], None], n_columns: int) -> None:
    by_threads(lambda columns: work(columns.start, columns.stop), n_columns, _COLUMNS_PER_BLOCK)


def _array(tensor: Tensor) -> NDArray:
    return tensor.detach().contiguous().numpy()


@njit(cache=True, nogil=True)
def _activate(values, slopes, first, last, out):
    slope = slopes[first:last]
    for row in range(len(values)):
        of_row, activated = values[row, first:last], out[row, first:last]
        for c in range(len(slope)):
            x = of_row[c]
            activated[c] = x if x > 0 else slope[c] * x


@njit(cache=True, nogil=True)
def _join(source, destination, sources, destinations, slopes, first, last, joint, out):
    slope = slopes[first:last]
    for e in range(len(joint)):
        at_source, at_destination = source[sources[e], first:last], destination[destinations[e], first:last]
        of_edge, activated = joint[e, first:last], out[e, first:last]
        for c in range(len(slope)):
            x = at_source[c] + at_destination[c]
            of_edge[c] = x
            activated[c] = x if x > 0 else slope[c] * x


@njit(cache=True, nogil=True)
def _pass_back(values, slopes, gradient, first, last, of_values, of_slopes):
    slope, of_slope, zero = slopes[first:last], of_slopes[first:last], np.zeros(1, values.dtype)[0]
    for row in range(len(values)):
        of_row, passed, into = values[row, first:last], gradient[row, first:last], of_values[row, first:last]
        for c in range(len(slope)):
            x, g = of_row[c], passed[c]
            into[c] = g if x > 0 else slope[c] * g
            of_slope[c] += min(x, zero) * g


@njit(cache=True, nogil=True)
def _add_to_ends(gradients, sources, destinations, first, last, of_source, of_destination):
    for e in range(len(gradients)):
        passed = gradients[e, first:last]
        at_source, at_destination = of_source[sources[e], first:last], of_destination[destinations[e], first:last]
        for c in range(len(passed)):
            at_source[c] += passed[c]
        for c in range(len(passed)):
            at_destination[c] += passed[c]
