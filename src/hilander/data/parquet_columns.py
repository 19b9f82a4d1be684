"""Columns of a Parquet table as what a dataset holds: names, encoded images, a matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hilander.data.dataset import as_matrix, as_names
from hilander.data.errors import DataError, some


def to_names(column: pa.ChunkedArray, name: str, file: str | Path) -> NDArray[np.str_]:
    """Return a column as strings, a null or NaN as the empty string.

    Raises
    ------
    DataError
        It holds neither names nor numbers.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        return as_names(column.to_numpy(zero_copy_only=False), name, len(column))
    try:
        return pc.fill_null(column.cast(pa.string()), "").to_numpy(zero_copy_only=False).astype(str)
    except pa.ArrowException as error:
        raise DataError(
            f"{file}: the column `{name}` must hold names or numbers, got {column.type} ({error}); write it as strings"
        ) from error


def to_images(column: pa.ChunkedArray, file: Path) -> tuple[list[bytes], NDArray[np.str_]]:
    """Return the encoded images, an absent one as no bytes, and their paths, an absent one as the empty string.

    Raises
    ------
    DataError
        The column is neither a struct of bytes and path nor bytes.
    """
    paths = np.full(len(column), "")
    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        if column.type.get_field_index("path") >= 0:
            paths = to_names(pc.struct_field(column, "path"), "image.path", file)
        column = pc.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise DataError(
            f"{file}: the column `image` must be a struct of bytes and path, or bytes; got {column.type}; write the "
            "encoded images into it"
        )
    return [content or b"" for content in column.to_pylist()], paths


def to_matrix(column: pa.ChunkedArray, ids: NDArray[np.str_], file: Path) -> NDArray[np.float32]:
    """Return a column of lists of numbers, one width for all, as a matrix; a null inside becomes NaN.

    Raises
    ------
    DataError
        Other than lists of numbers, rows without a list, or several widths.
    """
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not (is_list and (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type))):
        raise DataError(
            f"{file}: the column `embedding` must be a list of floats per row, got {kind}; write one flat list of "
            "numbers per item"
        )
    missing = column.is_null().to_numpy()
    if missing.any():
        raise DataError(f"{file}: the embedding is missing for {some(ids[missing])}; encode these items or drop them")
    widths = pc.list_value_length(column).to_numpy()
    width = int(np.bincount(widths).argmax()) if len(widths) else getattr(kind, "list_size", 0)
    if width == 0:
        raise DataError(f"{file}: expected embeddings of at least one number, got none; encode the items")
    if (widths != width).any():
        odd = np.flatnonzero(widths != width)
        raise DataError(
            f"{file}: embeddings must have one width; most have {width}, but "
            f"{some(f'{ids[i]} has {widths[i]}' for i in odd)}; keep those of one encoder"
        )
    matrix = np.empty((len(column), width), np.float32)
    start = 0
    for chunk in column.chunks:  # all at once could be more numbers than the offsets of a list count
        rows = chunk.flatten().to_numpy(zero_copy_only=False).reshape(len(chunk), width)
        matrix[start : start + len(rows)] = as_matrix(rows, len(rows))
        start += len(rows)
    return matrix
