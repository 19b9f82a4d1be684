"""Embeddings to time with: classes in families on the unit sphere, as an encoder of many similar classes gives them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FAMILY_SIZE = 1500  # items of a family of related classes, on average
_CLASS_SIZE = 40.0  # items of a class, on average
_LARGEST_CLASS = 400
_CLASS_STEP = 0.75  # from the middle of the family to that of a class, of length 1
_SPREAD = 0.75  # of items around the middle of their class, on average; per class log-normal
_SHARED_RANK = 24  # directions, common to all classes, along which half of the spread lies
_OUTLIERS = 0.01
_ROWS_AT_ONCE = 1 << 17


def draw(n: int, seed: int, d: int = 256) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return n unit vectors (n, d) in random order and their classes (n,); outliers are classes of one.

    Sizes of classes are long-tailed, their spreads differ, and part of each item's deviation is a nuisance that all
    classes share.
    """
    rng = np.random.default_rng(seed)
    sizes = _class_sizes(rng, n - int(_OUTLIERS * n))
    family = rng.integers(-(-n // _FAMILY_SIZE), size=len(sizes))
    spectrum = (1 + np.arange(d)) ** -0.25
    families = _unit(rng.normal(size=(family.max() + 1, d)) * spectrum)
    centres = _unit(families[family] + _CLASS_STEP * _unit(rng.normal(size=(len(sizes), d)) * spectrum))
    spreads = _SPREAD * rng.lognormal(0, 0.25, len(sizes))
    nuisance = np.linalg.qr(rng.normal(size=(d, _SHARED_RANK)))[0].T

    labels = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), len(sizes) + np.arange(n - sizes.sum())])
    rng.shuffle(labels)
    embeddings = np.empty((n, d), np.float32)
    for start in range(0, n, _ROWS_AT_ONCE):
        of_rows = labels[start : start + _ROWS_AT_ONCE]
        rows = len(of_rows)
        own = rng.standard_normal((rows, d), np.float32) / np.sqrt(d)
        shared = rng.standard_normal((rows, _SHARED_RANK), np.float32) / np.sqrt(_SHARED_RANK) @ nuisance
        inside = of_rows < len(sizes)
        spread = spreads[np.minimum(of_rows, len(sizes) - 1)] * rng.lognormal(0, 0.2, rows)
        middle = np.where(inside[:, None], centres[np.minimum(of_rows, len(sizes) - 1)], _unit(own))
        embeddings[start : start + rows] = _unit(middle + spread[:, None] * (own + shared) * np.sqrt(0.5))
    return embeddings, labels


def _class_sizes(rng: np.random.Generator, total: int) -> NDArray[np.int64]:
    """Log-normal, cut off, adding up to `total`."""
    many = 2 * int(total / _CLASS_SIZE) + 100
    sizes = np.clip(rng.lognormal(np.log(_CLASS_SIZE) - 0.32, 0.8, many), 1, _LARGEST_CLASS).astype(np.int64)
    ends = np.cumsum(sizes)
    sizes = sizes[: np.searchsorted(ends, total) + 1]
    sizes[-1] -= sizes.sum() - total
    return sizes


def _unit(rows: NDArray) -> NDArray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
