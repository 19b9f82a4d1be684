"""What every stage reads: n items with ids, perhaps labels and splits, and either images or embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hilander.data.errors import DataError, some
from hilander.data.images import Images
from hilander.embeddings import as_labels

_ROWS_PER_CHUNK = 65_536


@dataclass(frozen=True)
class Dataset:
    """Items to learn from or to cluster.

    Parameters
    ----------
    ids : (n,) str
        Name of each item; validation asks that they be unique.
    labels : (n,) str, optional
        Class of each item; the empty string is a missing label. None: nothing is labelled.
    splits : (n,) str, optional
        Part of the data that each item belongs to. None: the data name no split.
    images : Images, optional
        Encoded images, decoded one by one on request.
    embeddings : (n, d) float32, optional
        Vectors as they were handed in, neither normalised nor checked for NaN; may be memory-mapped, never written to.
        A row of float64 too large or too small for float32 is scaled, since its direction is all that counts.

    Raises
    ------
    DataError
        Lengths differ, or not exactly one of `images` and `embeddings` is given.

    Examples
    --------
    >>> dataset = Dataset(ids=["a", "b", "c"], labels=[0, 0, 1], embeddings=np.eye(3))
    >>> dataset
    Dataset(n=3, embeddings=(3, 3), classes=2)
    >>> dataset.subset(dataset.labels == "0").ids.tolist()
    ['a', 'b']
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.str_] | None = None
    splits: NDArray[np.str_] | None = None
    images: Images | None = None
    embeddings: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n = len(self.ids)
        object.__setattr__(self, "ids", as_names(self.ids, "ids", n))
        for name in ("labels", "splits"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_names(getattr(self, name), name, n))
        if (self.images is None) == (self.embeddings is None):
            raise DataError("a dataset holds either images or embeddings; pass exactly one of the two")
        if self.images is not None and len(self.images) != n:
            raise DataError(f"expected {n} images, one per id; got {len(self.images)}")
        if self.embeddings is not None:
            object.__setattr__(self, "embeddings", as_matrix(self.embeddings, n))

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        kind = "images" if self.embeddings is None else f"embeddings={self.embeddings.shape}"
        classes = "" if self.labels is None else f", classes={len(self.classes)}"
        splits = "" if self.splits is None else f", splits={np.unique(self.splits).tolist()}"
        return f"Dataset(n={len(self)}, {kind}{classes}{splits})"

    @property
    def classes(self) -> NDArray[np.str_]:
        """The class names, sorted; a missing label is no class."""
        if self.labels is None:
            raise DataError("these data have no labels; name a class for each item, see docs/data.md")
        names = np.unique(self.labels)
        return names[names != ""]

    def subset(self, rows: NDArray | Sequence[int] | slice) -> Dataset:
        """Return the items at `rows`: a boolean mask, indices (their order is kept), or a slice (nothing is copied)."""
        if not isinstance(rows, slice):
            rows = np.asarray(rows) if len(rows) else np.empty(0, np.int64)
            if rows.dtype == bool and len(rows) != len(self):
                raise DataError(f"a mask must have one value per item, {len(self)}; got {len(rows)}")
        return Dataset(
            ids=self.ids[rows],
            labels=None if self.labels is None else self.labels[rows],
            splits=None if self.splits is None else self.splits[rows],
            images=None if self.images is None else self.images.take(rows),
            embeddings=None if self.embeddings is None else self.embeddings[rows],
        )

    def split(self, name: str) -> Dataset:
        """Return the items of the split `name`.

        Raises
        ------
        DataError
            The data name no split, or none of this name.
        """
        if self.splits is None:
            raise DataError(f"expected a split '{name}', but these data name no split")
        rows = self.splits == name
        if not rows.any():
            known = some(np.unique(self.splits))
            raise DataError(
                f"no item belongs to the split '{name}'; the data name: {known}; name one of them (in params.yaml: "
                "data.train_split, data.test_split)"
            )
        return self.subset(rows)


def row_ids(n: int) -> NDArray[np.str_]:
    """Return the row numbers as ids, for data that bring none."""
    return np.arange(n).astype(str)


def as_names(values: object, what: str, n: int) -> NDArray[np.str_]:
    """Return `values` as n strings; None, NaN and NA become the empty string, integers are written out."""
    array = as_labels(cast(ArrayLike, values))
    if array.ndim != 1 or len(array) != n:
        raise DataError(f"{what} must have shape ({n},), one per item; got shape {array.shape}")
    if array.dtype.kind == "U":
        return array
    if array.dtype.kind == "T":  # strings of any length, which NumPy writes out one by one alone
        array = array.astype(object)
    if array.dtype.kind in "fOS":
        missing = pd.isna(array).tolist()
        names = ["" if gone else _name(v, what) for v, gone in zip(array.tolist(), missing, strict=True)]
        return np.array(names, dtype=str)
    return array.astype(str)


def _name(value: object, what: str) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{what} must be text in UTF-8, got the bytes {value!r}; save them as strings") from error
    # A column of integers with one missing value arrives as float: 3.0 is the class "3".
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def as_matrix(values: object, n: int) -> NDArray[np.float32]:
    """Return `values` (n, d) as float32; rows out of its range are scaled, see `Dataset`."""
    array = np.asanyarray(values)  # keeps a memory map
    if array.dtype.kind not in "fiu":
        raise DataError(f"embeddings must be real numbers, got dtype {array.dtype}")
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(f"embeddings must have shape (n, d), one row per item; got {array.shape}")
    if len(array) != n:
        raise DataError(f"expected {n} embeddings, one per id; got {len(array)}")
    return array if array.dtype == np.float32 else _as_float32(array)


def _as_float32(array: NDArray) -> NDArray[np.float32]:
    """Convert a matrix; rows of finite values that float32 would make inf or zero are scaled to a maximum of 1."""
    limits = np.finfo(np.float32)
    converted = np.empty(array.shape, np.float32)
    for start in range(0, len(array), _ROWS_PER_CHUNK):
        rows = np.asarray(array[start : start + _ROWS_PER_CHUNK])
        if rows.dtype.kind == "f" and rows.itemsize > limits.dtype.itemsize:
            peak = np.abs(rows).max(axis=1)
            outside = (peak > limits.max) | ((peak < limits.tiny / limits.eps) & (peak > 0))
            outside &= np.isfinite(peak)
            if outside.any():
                rows = rows / np.where(outside, peak, 1)[:, None]
        with np.errstate(over="ignore"):  # beside a NaN or inf, which is reported later
            converted[start : start + len(rows)] = rows
    return converted
