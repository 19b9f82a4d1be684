"""What every entry point asks of embeddings and labels, with errors that say what to do."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hilander.paged_arrays import empty_array, let_go

_ROWS_PER_CHUNK = 1024  # keeps the temporaries of the row checks in the cache
_ROWS_LET_GO = 1 << 16  # after which what lies in files is no longer resident
_WRITTEN_AS: dict[str, tuple[type, ...]] = {"U": (str,), "S": (bytes,), "f": (float, np.floating)}  # by kind of array


def check_embeddings(
    embeddings: ArrayLike, *, n_features: int | None = None, min_rows: int = 1, first_row: int = 0
) -> NDArray[np.float32]:
    """Return `embeddings` as finite, non-zero, L2-normalised rows.

    Parameters
    ----------
    embeddings : array-like of shape (n, d)
        Any real dtype, or n lists of d numbers, as a column of a DataFrame; never changed in place.
    n_features : int, optional
        The width d that is asked for.
    min_rows : int
        Fewest rows that make sense to the caller.
    first_row : int
        Number that messages give to the first row: not 0 where these rows are a piece of more.

    Returns
    -------
    ndarray of shape (n, d), float32
        Rows of norm 1, C-contiguous, a fresh array.

    Raises
    ------
    ValueError
        Not two-dimensional, not numeric, complex, too few rows, another width, NaN or inf, or rows of norm zero.
    """
    array = as_real_matrix(embeddings)
    if array.shape[0] < min_rows:
        raise ValueError(f"embeddings must have at least {min_rows} row(s), n_samples = {array.shape[0]}")
    if array.shape[1] == 0:
        raise ValueError(
            f"0 feature(s) (shape={array.shape}) while a minimum of 1 is required: embeddings must have a column"
        )
    check_width(array.shape, n_features)
    normalized = empty_array(array.shape)
    for start in range(0, len(array), _ROWS_PER_CHUNK):
        rows = np.asarray(array[start : start + _ROWS_PER_CHUNK], dtype=np.float64, order="C")
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"embeddings hold NaN or inf (infinity), for instance in rows "
                f"{_some(np.flatnonzero(~finite) + start + first_row)}; drop these rows or encode them again"
            )
        scale = np.abs(rows).max(axis=1)  # guards the norm against under- and overflow
        if not scale.all():
            raise ValueError(
                f"embeddings hold zero vectors, for instance in rows "
                f"{_some(np.flatnonzero(scale == 0) + start + first_row)}; a zero vector has no direction, so cosine "
                "similarity says nothing about it: drop these rows"
            )
        rows = rows / scale[:, None]
        normalized[start : start + len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        if start % _ROWS_LET_GO == 0:
            let_go(array)
            let_go(normalized)
    let_go(array)
    return normalized


def check_labels(labels: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return class labels as integers 0..C-1 in order of the sorted class names.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Integers or strings, one class per row.
    n : int
        Rows of the embeddings that the labels belong to.

    Raises
    ------
    ValueError
        Another length, not one-dimensional, or missing labels, see `missing_labels`.
    """
    array = as_labels(labels)
    if array.ndim != 1 or len(array) != n:
        raise ValueError(f"labels must have shape ({n},), one per embedding; got shape {array.shape}")
    missing = missing_labels(array) | np.ma.getmaskarray(np.ma.asarray(labels))
    if missing.any():
        raise ValueError(
            f"labels are missing (None, NaN, masked or an empty string) in rows {_some(np.flatnonzero(missing))}; "
            "leave unlabelled rows out of training"
        )
    try:
        return np.unique(array, return_inverse=True)[1].astype(np.int64)
    except TypeError as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in array}))
        raise ValueError(f"labels must all be integers or all strings; got {kinds}") from error


def as_labels(labels: ArrayLike) -> NDArray:
    """Return labels as an array of this machine's byte order that keeps apart what a list keeps apart.

    NumPy would write NaN among strings out as a class nan, and round integers beyond 63 bits beside negative ones.
    Those are objects here.
    """
    array = np.asarray(labels)
    as_listed = _WRITTEN_AS.get(array.dtype.kind, (object,))
    if isinstance(labels, list | tuple) and array.ndim == 1 and not all(isinstance(each, as_listed) for each in labels):
        return np.fromiter(labels, object, len(labels))
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def missing_labels(labels: NDArray) -> NDArray[np.bool_]:
    """Return where labels (n,) are None, NaN, NaT, pandas's NA or an empty string, which is none."""
    if labels.dtype.kind == "O":
        return np.array(
            [value is None or value is pd.NA or value != value or value in ("", b"") for value in labels], bool
        )
    if labels.dtype.kind in "SUT":  # bytes as HDF5 keeps them, strings of one width or of any
        return np.asarray(labels == labels.dtype.type(), bool)
    return np.asarray(labels != labels, bool)  # NaN and NaT differ from themselves, whole numbers never do


def check_neighbors(neighbors: tuple[ArrayLike, ArrayLike], n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return neighbours and similarities that a caller brings along, as arrays of shape (n, k), int64 and float32.

    Compiled code reads memory at these numbers without looking at them, so wrong ones would end the process.

    Parameters
    ----------
    neighbors : tuple of two array-likes of shape (n, k)
        Row numbers, and cosine similarities.
    n : int
        Rows of the embeddings that they belong to.

    Raises
    ------
    ValueError
        Not two arrays of shape (n, k), not whole numbers, numbers of no row, a row that is its own neighbour, or
        similarities that are no numbers.
    """
    asked = f"neighbors must be those that nearest_neighbors finds for these {n} embeddings, expected"
    try:
        found, similarities = (np.asarray(each) for each in neighbors)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{asked} two arrays of shape ({n}, k): neighbours and similarities; {error}") from error
    if found.ndim != 2 or len(found) != n or similarities.shape != found.shape:
        raise ValueError(f"{asked} two arrays of shape ({n}, k); got shapes {found.shape} and {similarities.shape}")
    if found.dtype.kind not in "iu" or similarities.dtype.kind != "f":
        raise ValueError(f"{asked} integers and floats; got {found.dtype} and {similarities.dtype}")
    wrong = ((found < 0) | (found >= n) | (found == np.arange(n)[:, None])).any(axis=1)
    wrong |= ~np.isfinite(similarities).all(axis=1)
    if wrong.any():
        raise ValueError(
            f"{asked} numbers of other rows, from 0 to {n - 1}, and finite similarities; not so in rows "
            f"{_some(np.flatnonzero(wrong))}"
        )
    return found.astype(np.int64, copy=False), similarities.astype(np.float32, copy=False)


def check_width(shape: tuple[int, ...], n_features: int | None) -> None:
    """Raise ValueError where embeddings of `shape` (n, d) are not of the width that a model asks for."""
    if n_features is not None and shape[1] != n_features:
        raise ValueError(
            f"embeddings must have shape (n, {n_features}) to match the model; got {shape}. Encode with the "
            "encoder that made the training embeddings, or train on these ones."
        )


def as_real_matrix(embeddings: ArrayLike) -> NDArray:
    """Return `embeddings` as a matrix of any real dtype, which may be `embeddings` itself.

    Raises
    ------
    ValueError
        Not two-dimensional, not numeric, or complex.
    """
    if hasattr(embeddings, "toarray"):
        raise ValueError("sparse matrices are not supported: embeddings must be a dense array of shape (n, d)")
    if np.ma.is_masked(embeddings):
        raise ValueError("embeddings have masked values, of which no direction is known; drop these rows or fill them")
    if hasattr(embeddings, "element_size"):  # NumPy takes no tensor with a gradient, on a GPU or of bfloat16
        tensor = cast(Any, embeddings).detach().cpu()
        embeddings = tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor
    try:
        array = np.asarray(embeddings)
        if array.dtype.kind == "O":
            array = _stacked(array)
    except TypeError as error:
        raise TypeError(
            f"embeddings must be numbers: argument must be a string or a number was broken by {error}"
        ) from error
    except ValueError as error:
        what = "numbers alone" if "could not convert" in str(error) else "one rectangular array of shape (n, d)"
        raise ValueError(f"embeddings must be {what}: {error}") from error
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported: embeddings must be real numbers")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"embeddings must be numbers, got dtype {array.dtype}")
    if array.ndim != 2:
        raise ValueError(f"embeddings must have shape (n, d), got {array.shape}. Reshape your data: one row per item")
    return array


def _stacked(objects: NDArray) -> NDArray:
    """Return objects as numbers; a column of lists or arrays, as Parquet files hold embeddings, as a matrix."""
    if objects.ndim != 1 or not any(isinstance(row, (np.ndarray, list, tuple)) for row in objects):
        return np.where(pd.isna(objects), np.nan, objects).astype(np.float64)  # pandas's NA is no number to NumPy
    shapes = [np.shape(row) for row in objects]
    width = next((shape for shape in shapes if len(shape) == 1), ("d",))
    for number, shape in enumerate(shapes):
        if shape != width:
            raise ValueError(
                f"each row must be one list of as many numbers; row {number} has shape {shape}, not {width}"
            )
    return np.stack(objects.tolist())


def _some(rows: NDArray) -> str:
    shown = ", ".join(str(row) for row in rows[:5])
    return shown if len(rows) <= 5 else f"{shown}, … ({len(rows)} in all)"
