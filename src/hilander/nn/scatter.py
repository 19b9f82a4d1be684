"""Sums over the ends of edges and over triangles, with gradients: compiled loops on the CPU, torch elsewhere."""

from __future__ import annotations

from typing import Any

import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable


def sum_at_ends(values: Tensor, edges: Tensor, n_nodes: int) -> Tensor:
    """Sum the values of the edges that touch each node.

    Formula: out_i = Σ_{e ∋ i} values_e.

    Shapes
    ------
    values (m, c) float32, edges (m, 2) int64 → (n_nodes, c) float32
    """
    return _SumAtEnds.apply(values, edges, n_nodes)


def take_at_ends(values: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Give each edge the values of its two ends.

    Shapes
    ------
    values (n, c) float32, edges (m, 2) int64 → two of (m, c) float32
    """
    return _TakeAtEnds.apply(values, edges)


def sum_of_triangle_products(values: Tensor, triangles: Tensor) -> Tensor:
    """For each edge, sum over its triangles the product of the two other sides.

    Formula: out_ij = Σ_m values_im · values_mj over the common neighbours m of i and j.

    Shapes
    ------
    values (m, c) float32, triangles (t, 3) int32 rows of `values` → (m, c) float32
    """
    return _SumOfTriangleProducts.apply(values, triangles)


class _SumAtEnds(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, edges: Tensor, n_nodes: int) -> Tensor:
        ctx.save_for_backward(edges)
        return _scatter_ends(values, values, edges, n_nodes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (edges,) = ctx.saved_tensors
        return gradient.index_select(0, edges[:, 0]) + gradient.index_select(0, edges[:, 1]), None, None


class _TakeAtEnds(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(edges)
        ctx.n_nodes = len(values)
        return values.index_select(0, edges[:, 0]), values.index_select(0, edges[:, 1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, first: Tensor, second: Tensor) -> tuple[Tensor, None]:
        (edges,) = ctx.saved_tensors
        return _scatter_ends(first, second, edges, ctx.n_nodes), None


class _SumOfTriangleProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, triangles: Tensor) -> Tensor:
        ctx.save_for_backward(values, triangles)
        out = torch.zeros_like(values, memory_format=torch.contiguous_format)
        if _on_cpu(values):
            _triangle_products(_array(values), _array(triangles), out.numpy())
            return out
        a, b, c = (values.index_select(0, side) for side in triangles.unbind(1))
        for side, product in zip(triangles.unbind(1), (b * c, a * c, a * b), strict=True):
            out.index_add_(0, side, product)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        values, triangles = ctx.saved_tensors
        out = torch.zeros_like(values, memory_format=torch.contiguous_format)
        if _on_cpu(values):
            _triangle_gradients(_array(values), _array(gradient), _array(triangles), out.numpy())
            return out, None
        a, b, c = (values.index_select(0, side) for side in triangles.unbind(1))
        u, v, w = (gradient.index_select(0, side) for side in triangles.unbind(1))
        for side, part in zip(triangles.unbind(1), (v * c + w * b, u * c + w * a, u * b + v * a), strict=True):
            out.index_add_(0, side, part)
        return out, None


def _scatter_ends(first: Tensor, second: Tensor, edges: Tensor, n_nodes: int) -> Tensor:
    out = torch.zeros((n_nodes, first.shape[1]), dtype=first.dtype, device=first.device)
    if _on_cpu(first):
        _add_at_ends(_array(first), _array(second), _array(edges), out.numpy())
        return out
    return out.index_add_(0, edges[:, 0], first).index_add_(0, edges[:, 1], second)


def _array(tensor: Tensor) -> NDArray:
    return tensor.detach().contiguous().numpy()


def _on_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


@njit(cache=True, fastmath=True, nogil=True)
def _add_at_ends(first, second, edges, out):
    for e in range(len(edges)):
        i, j = edges[e, 0], edges[e, 1]
        for c in range(out.shape[1]):
            out[i, c] += first[e, c]
            out[j, c] += second[e, c]


@njit(cache=True, fastmath=True, nogil=True)
def _triangle_products(values, triangles, out):
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        for k in range(values.shape[1]):
            x, y, z = values[a, k], values[b, k], values[c, k]
            out[a, k] += y * z
            out[b, k] += x * z
            out[c, k] += x * y


@njit(cache=True, fastmath=True, nogil=True)
def _triangle_gradients(values, gradient, triangles, out):
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        for k in range(values.shape[1]):
            x, y, z = values[a, k], values[b, k], values[c, k]
            u, v, w = gradient[a, k], gradient[b, k], gradient[c, k]
            out[a, k] += v * z + w * y
            out[b, k] += u * z + w * x
            out[c, k] += u * y + v * x
