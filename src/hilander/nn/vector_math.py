"""exp and log for compiled loops: without calls of a library the compiler makes them for many numbers at once.

Cephes' polynomials in single precision, to about 2 · 10⁻⁷. Kernels that divide need ``error_model="numpy"`` as well:
numba would else look at every divisor, and take one number after the other.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# All of fastmath but reciprocals instead of divisions: the compiler takes approximate ones where it computes many
# numbers at once and exact ones for the rest of a loop, so that a number's bits would depend on where it stands.
SAME_EVERYWHERE = {"nnan", "ninf", "nsz", "contract", "afn", "reassoc"}


@njit(fastmath=SAME_EVERYWHERE, inline="always", error_model="numpy")
def sigmoid(x):
    """Return 1 / (1 + exp(-x)), as float32; beyond ±87 what it is there."""
    return np.float32(1) / (np.float32(1) + _exp(min(max(-x, np.float32(-87)), np.float32(87))))


@njit(fastmath=SAME_EVERYWHERE, inline="always", error_model="numpy")
def log1p(x):
    """Return log(1 + x) for x >= 0, as float32."""
    return _log(np.float32(1) + x)


@njit(fastmath=SAME_EVERYWHERE, inline="always", error_model="numpy")
def _exp(x):
    exponent = np.int32(x * np.float32(1.44269504) + np.float32(127.5))  # of 2, rounded, and as floats hold it
    n = np.float32(exponent) - np.float32(127)
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1)
    return p * np.int32(exponent << np.int32(23)).view(np.float32)


@njit(fastmath=SAME_EVERYWHERE, inline="always", error_model="numpy")
def _log(x):
    bits = np.float32(x).view(np.int32)
    exponent = np.int32((bits - np.int32(0x3F3504F3)) >> np.int32(23))  # of 2, the rest lies around 1
    m = np.int32(bits - np.int32(exponent << np.int32(23))).view(np.float32) - np.float32(1)
    p = np.float32(7.0376836292e-2)
    p = p * m - np.float32(1.1514610310e-1)
    p = p * m + np.float32(1.1676998740e-1)
    p = p * m - np.float32(1.2420140846e-1)
    p = p * m + np.float32(1.4249322787e-1)
    p = p * m - np.float32(1.6668057665e-1)
    p = p * m + np.float32(2.0000714765e-1)
    p = p * m - np.float32(2.4999993993e-1)
    p = p * m + np.float32(3.3333331174e-1)
    square, n = m * m, np.float32(exponent)
    return m + (p * m * square - n * np.float32(2.12194440e-4) - np.float32(0.5) * square) + n * np.float32(0.693359375)
