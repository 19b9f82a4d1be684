"""Parquet tables: an `image` (bytes and path) or `embedding` column, with `label`, `split` and `id` where known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hilander.atomic_write import atomic_file
from hilander.data.dataset import Dataset, row_ids
from hilander.data.errors import DataError, some
from hilander.data.images import Images

_ROWS_PER_GROUP = 4096


def read_parquet(path: str | Path) -> Dataset:
    """Read one Parquet file, or a folder of parts.

    Columns: `image`, struct of `bytes` and `path` (or the bytes alone), or `embedding`, a list of floats; `label`,
    `split` and `id` are optional. Without `id`, an image's path names it where paths are unique, else the row number.
    The encoded images are held in memory; an image folder is the form for sets larger than that.

    Raises
    ------
    DataError
        Not a Parquet file, no such columns, or embeddings that are missing or of several widths.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    columns = set(table.column_names)
    if len(columns & {"image", "embedding"}) != 1:
        raise DataError(
            f"{path}: expected a column `image` (struct of bytes and path) or a column `embedding` (list of floats), "
            f"and not both; got {some(table.column_names, shown=20)}"
        )
    known = {name: _names(table, name) for name in ("label", "split") if name in columns}
    if "embedding" in columns:
        ids = _names(table, "id") if "id" in columns else row_ids(table.num_rows)
        return Dataset(
            ids, known.get("label"), known.get("split"), embeddings=_matrix(table.column("embedding"), ids, path)
        )
    content, paths = _images(table.column("image"), path)
    if "id" in columns:
        ids = _names(table, "id")
    elif paths is not None and "" not in paths and len(np.unique(paths)) == len(paths):
        ids = paths
    else:
        ids = row_ids(table.num_rows)
    return Dataset(ids, known.get("label"), known.get("split"), images=Images(content, ids))


def write_parquet(dataset: Dataset, path: str | Path) -> None:
    """Write `dataset` as one Parquet file that `read_parquet` takes, atomically."""
    columns: dict[str, Any] = {"id": pa.array(dataset.ids.tolist(), pa.string())}
    if dataset.embeddings is not None:
        flat = pa.array(np.asarray(dataset.embeddings).reshape(-1))
        columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, dataset.embeddings.shape[1])
    elif dataset.images is not None:
        content = [dataset.images.read_bytes(i) for i in range(len(dataset))]
        columns["image"] = pa.StructArray.from_arrays(
            [pa.array(content, pa.binary()), columns["id"]], ["bytes", "path"]
        )
    for name, values in (("label", dataset.labels), ("split", dataset.splits)):
        if values is not None:
            columns[name] = pa.array([value or None for value in values.tolist()], pa.string()).dictionary_encode()
    with atomic_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd", row_group_size=_ROWS_PER_GROUP)


def _names(table: pa.Table, name: str) -> NDArray[np.str_]:
    """Return a column as strings, a null as the empty string."""
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return pc.fill_null(column.cast(pa.string()), "").to_numpy(zero_copy_only=False).astype(str)
    except pa.ArrowException as error:
        raise DataError(f"the column `{name}` must hold names or numbers, got {column.type}") from error


def _images(column: pa.ChunkedArray, path: str | Path) -> tuple[list[bytes], NDArray[np.str_] | None]:
    paths = None
    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        if column.type.get_field_index("path") >= 0:
            paths = pc.fill_null(pc.struct_field(column, "path"), "").to_numpy(zero_copy_only=False).astype(str)
        column = pc.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise DataError(f"{path}: the column `image` must be a struct of bytes and path, or bytes; got {column.type}")
    return [content or b"" for content in column.to_pylist()], paths


def _matrix(column: pa.ChunkedArray, ids: NDArray[np.str_], path: str | Path) -> NDArray[np.float32]:
    lists = column.combine_chunks()
    is_list = pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type)
    if not (is_list or pa.types.is_fixed_size_list(lists.type)):
        raise DataError(f"{path}: the column `embedding` must be a list of floats, got {lists.type}")
    missing = lists.is_null().to_numpy(zero_copy_only=False)
    if missing.any():
        raise DataError(f"{path}: the embedding is missing for {some(ids[missing])}; encode these items or drop them")
    widths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    width = int(np.bincount(widths).argmax()) if len(widths) else 0
    if (widths != width).any():
        odd = np.flatnonzero(widths != width)
        raise DataError(
            f"{path}: embeddings must have one width; most have {width}, but "
            f"{some(f'{ids[i]} has {widths[i]}' for i in odd)}"
        )
    values = lists.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)  # a null inside becomes NaN
    return values.reshape(len(lists), width)
