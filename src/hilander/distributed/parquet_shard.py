"""Rows of the column `embedding` of a Parquet file, without reading the rest of it, and its ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hilander.data.errors import DataError, some
from hilander.data.parquet_columns import to_names

_ROWS_PER_BATCH = 4096  # decoded at once
_BYTES_PER_READ = 1 << 20


def parquet_shape(file: BinaryIO, name: str) -> tuple[Sequence[int], int]:
    """Return the rows of each row group, and the width of the first row.

    Parameters
    ----------
    file : file object
    name : str
        Path or URL, for messages.

    Raises
    ------
    DataError
        Not a Parquet file or a damaged one, or not one such column.
    """
    with _opened(file, name) as parquet:
        if not _has(parquet, "embedding", name):
            found = some(parquet.schema_arrow.names, shown=20)
            raise DataError(f"{name}: expected a column `embedding` (list of floats), got {found}")
        first = next(parquet.iter_batches(1, columns=["embedding"]), None)
        return _group_sizes(parquet), 0 if first is None else _matrix(first.column("embedding"), name, 0).shape[1]


def parquet_ids(file: BinaryIO, name: str) -> NDArray[np.str_] | None:
    """Return the column `id` as `hilander.data.parquet.read_parquet` does, (n,); None where there is none.

    Parameters
    ----------
    file : file object
    name : str
        Path or URL, for messages.

    Raises
    ------
    DataError
        Not a Parquet file or a damaged one, several such columns, or one that holds neither names nor numbers.
    """
    with _opened(file, name) as parquet:
        if not _has(parquet, "id", name):
            return None
        return to_names(parquet.read(columns=["id"]).column("id"), "id", name)


def read_parquet_rows(file: BinaryIO, name: str, start: int, stop: int, first_row: int) -> NDArray[np.float32]:
    """Return the rows from `start` up to `stop`, (stop - start, d); fewer where the file ends before.

    Parameters
    ----------
    file : file object
    name : str
        Path or URL, for messages.
    start, stop : int
    first_row : int
        Number that messages give to the row `start`.

    Raises
    ------
    DataError
        Not a Parquet file or a damaged one, a column of another type, missing embeddings, or several widths.
    """
    found = []
    with _opened(file, name) as parquet:
        ends = np.cumsum([0, *_group_sizes(parquet)])
        if start >= ends[-1]:
            return np.empty((0, 0), np.float32)
        first = int(np.searchsorted(ends, start, side="right")) - 1
        groups = list(range(first, int(np.searchsorted(ends, min(stop, ends[-1])))))
        row = int(ends[first])
        for batch in parquet.iter_batches(_ROWS_PER_BATCH, row_groups=groups, columns=["embedding"]):
            wanted = batch.column("embedding")[max(start - row, 0) : max(stop - row, 0)]
            if len(wanted):
                found.append(_matrix(wanted, name, first_row + max(row - start, 0)))
            row += len(batch)
            if row >= stop:  # a large row group is not decoded to its end
                break
    widths = {rows.shape[1] for rows in found}
    if len(widths) > 1:
        raise DataError(f"{name}: embeddings must have one width, got {some(sorted(widths))}")
    return np.concatenate(found)


@contextmanager
def _opened(file: BinaryIO, name: str) -> Iterator[pq.ParquetFile]:
    """Open a file; of what fails in reading it, Arrow does not say which of many shards it is.

    By default Arrow fetches a row group's whole column before the first row of it, a gigabyte in many files.
    """
    try:
        yield pq.ParquetFile(file, buffer_size=_BYTES_PER_READ, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name} cannot be read as Parquet: {error}") from error


def _has(parquet: pq.ParquetFile, column: str, name: str) -> bool:
    count = parquet.schema_arrow.names.count(column)
    if count > 1:
        raise DataError(f"{name}: expected each column once, got several `{column}`; keep one of them")
    return count == 1


def _group_sizes(parquet: pq.ParquetFile) -> list[int]:
    return [parquet.metadata.row_group(group).num_rows for group in range(parquet.metadata.num_row_groups)]


def _matrix(lists: Any, name: str, first_row: int) -> NDArray[Any]:
    is_list = pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type)
    if not (is_list or pa.types.is_fixed_size_list(lists.type)):
        raise DataError(f"{name}: the column `embedding` must be a list of floats, got {lists.type}")
    missing = lists.is_null().to_numpy(zero_copy_only=False)
    if missing.any():
        rows = some(np.flatnonzero(missing) + first_row)
        raise DataError(f"{name}: the embedding is missing in rows {rows}; encode these items or drop them")
    widths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    if (widths != widths[0]).any():
        raise DataError(f"{name}: embeddings must have one width, got {some(sorted(set(widths.tolist())))}")
    values = lists.flatten()
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise DataError(f"{name}: the column `embedding` must be a list of numbers, got {lists.type}")
    # In full precision, since doubles may lie beyond float32 until they are normalised; a null inside becomes NaN.
    return values.to_numpy(zero_copy_only=False).reshape(len(lists), widths[0])
