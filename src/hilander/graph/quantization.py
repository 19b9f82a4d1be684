"""Rows as small whole numbers, whose products bound those of the rows: four times as quick as in single precision."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

_LARGEST_CODE = 127
_NARROWEST = 48  # columns; of narrower rows a product costs no more than what comes with it
_WIDEST = np.iinfo(np.int32).max // _LARGEST_CODE**2  # a product of wider rows may be no whole number of 32 bits
_EXACT_ENOUGH = {"nnan", "ninf", "nsz", "contract", "reassoc"}


class Quantized(NamedTuple):
    """Rows x and their codes c, with x ≈ scale · c; what is left, x − scale · c, is orthogonal to c.

    Attributes
    ----------
    rows : ndarray of shape (n, d), float32
    codes : ndarray of shape (n, d), int8
        Of width 0 where whole numbers do not pay, see `pays`.
    scale : ndarray of shape (n,), float32
    error : ndarray of shape (n,), float32
        Tangent of the angle between x and c: norm of x − scale · c over that of scale · c.
    """

    rows: NDArray[np.float32]
    codes: NDArray[np.int8]
    scale: NDArray[np.float32]
    error: NDArray[np.float32]

    def part(self, rows: slice) -> Quantized:
        """Some of the rows with their codes, as views."""
        return Quantized(self.rows[rows], self.codes[rows], self.scale[rows], self.error[rows])


@cache
def _multiplies_bytes() -> bool:
    """Whether the processor multiplies and adds four bytes at once; without that torch is slow at it, or inexact."""
    able = torch.cpu.get_capabilities()
    return torch.backends.mkldnn.is_available() and bool(able.get("avx512_vnni") or able.get("avx_vnni"))


def pays(width: int) -> bool:
    """Return whether rows of this width are better compared by their codes first, on this machine."""
    return _NARROWEST <= width <= _WIDEST and _multiplies_bytes()


def quantize(rows: NDArray[np.float32]) -> Quantized:
    """Give each row codes on a scale of its own.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
    """
    n, d = rows.shape
    quantized = Quantized(
        rows, np.empty((n, d if pays(d) else 0), np.int8), np.empty(n, np.float32), np.empty(n, np.float32)
    )
    if quantized.codes.size:
        _quantize(rows, rows.view(np.int32), *quantized[1:])
    return quantized


def multiply_codes(first: NDArray[np.int8], second: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return the products of all pairs of codes (n, d) and (m, d), without rounding, (n, m)."""
    return torch._int_mm(torch.from_numpy(first), torch.from_numpy(second).T).numpy()


def approximate_products(first: Quantized, second: Quantized) -> NDArray[np.float32]:
    """Return the products of all pairs of rows (n, m), to about a thousandth where rows of norm 1 have codes.

    Where they have none these are BLAS's products, whose last bits depend on how many rows are multiplied at once.
    """
    if not second.codes.size:
        return first.rows @ second.rows.T
    products = multiply_codes(first.codes, second.codes)
    scaled = products.view(np.float32)
    _scale(products, first.scale, second.scale, scaled)
    return scaled


@njit(cache=True, nogil=True, fastmath=_EXACT_ENOUGH, error_model="numpy")
def _quantize(rows, bits, codes, scales, errors):
    """Fill in codes, scales and errors; `bits` (n, d) int32 are those of the rows."""
    for r in range(len(rows)):
        highest = np.int32(0)  # bits of a number without sign are in the order of the numbers, and quicker to compare
        for c in range(rows.shape[1]):
            highest = np.int32(max(highest, np.int32(bits[r, c] & np.int32(0x7FFFFFFF))))
        largest = np.int32(highest).view(np.float32)
        inverse = np.float32(_LARGEST_CODE) / max(largest, np.float32(1e-30))
        for c in range(rows.shape[1]):
            codes[r, c] = np.int8(np.rint(rows[r, c] * inverse))
        product, of_codes, square = np.float32(0), np.float32(0), np.float32(0)
        for c in range(rows.shape[1]):
            product += rows[r, c] * np.float32(codes[r, c])
            of_codes += np.float32(codes[r, c]) * np.float32(codes[r, c])
        scale = product / max(of_codes, np.float32(1))
        for c in range(rows.shape[1]):
            apart = rows[r, c] - scale * np.float32(codes[r, c])
            square += apart * apart
        scales[r] = scale
        errors[r] = np.sqrt(square) / max(scale * np.sqrt(of_codes), np.float32(1e-30))


@njit(cache=True, nogil=True, error_model="numpy")
def _scale(products, first, second, scaled):
    """Fill in the products of rows, in the place of those of their codes."""
    for row in range(len(products)):
        for column in range(products.shape[1]):
            scaled[row, column] = first[row] * second[column] * np.float32(products[row, column])
