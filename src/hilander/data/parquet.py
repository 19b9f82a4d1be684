"""Parquet tables: an `image` (bytes and path) or `embedding` column, with `label`, `split` and `id` where known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hilander.atomic_write import atomic_file
from hilander.data.dataset import Dataset, row_ids
from hilander.data.errors import DataError, some
from hilander.data.images import Images
from hilander.data.listing import list_files
from hilander.data.parquet_columns import to_images, to_matrix, to_names

_COLUMNS = ("image", "embedding", "label", "split", "id")
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_ROWS_PER_GROUP = 4096
# A group is written and read at once, and Arrow counts the bytes of a column in 31 bits.
_BYTES_PER_GROUP = 2**28


def read_parquet(path: str | Path) -> Dataset:
    """Read one Parquet file, or a folder of parts.

    Columns: `image`, struct of `bytes` and `path` (or the bytes alone), or `embedding`, a list of numbers; `label`,
    `split` and `id` are optional. Without `id`, an image's path names it where paths are unique, else the row number.
    The encoded images are held in memory; an image folder is the form for sets larger than that.

    Raises
    ------
    DataError
        Not a Parquet file, no such columns, parts of different columns, or embeddings that are missing or of several
        widths.
    """
    path = Path(path)
    names = [Path()]
    if path.is_dir():  # folders that begin with _ are others' bookkeeping, such as _delta_log/ and _temporary/
        found = list_files(path, {".parquet"}, deep=True)
        names = [name for name in found if not any(part.startswith("_") for part in name.parent.parts)]
    if not names:
        raise DataError(f"expected Parquet files in {path}, found none")
    parts = {path / name: _read_part(path / name, name) for name in names}
    columns = _common_columns(parts, path)
    known = {
        name: np.concatenate([to_names(part.column(name), name, file) for file, part in parts.items()])
        for name in columns & {"label", "split", "id"}
    }
    ids = known.get("id", row_ids(sum(part.num_rows for part in parts.values())))
    if "embedding" in columns:
        return Dataset(ids, known.get("label"), known.get("split"), embeddings=_embeddings(parts, ids, path))
    content, paths = [], []
    for file, part in parts.items():
        of_part, paths_of_part = to_images(part.column("image"), file)
        content += of_part
        paths.append(paths_of_part)
    image_paths = np.concatenate(paths)
    if "id" not in columns and "" not in image_paths and len(np.unique(image_paths)) == len(image_paths):
        ids = image_paths
    return Dataset(ids, known.get("label"), known.get("split"), images=Images(content, ids))


def write_parquet(dataset: Dataset, path: str | Path) -> None:
    """Write `dataset` as one Parquet file that `read_parquet` takes, atomically; images are read group by group.

    Raises
    ------
    DataError
        An image cannot be read, or a name is no text that UTF-8 can hold.
    """
    try:
        columns = {"id": pa.array(dataset.ids.tolist(), pa.string())}
        for name, values in (("label", dataset.labels), ("split", dataset.splits)):
            if values is not None:
                columns[name] = pa.array([value or None for value in values.tolist()], pa.string()).dictionary_encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{path}: expected names that UTF-8 can hold, got {error.object!a}; rename this item, class or split"
        ) from error
    table = pa.table(columns)
    item = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    if dataset.embeddings is not None:
        item = pa.field("embedding", pa.list_(pa.float32(), dataset.embeddings.shape[1]))
    schema = table.schema.insert(1, item)
    with (
        atomic_file(path) as temporary,
        pa.OSFile(os.fsencode(temporary), "wb") as file,  # a name that is not UTF-8, Arrow takes as bytes alone
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for start, items in _groups(dataset):
            group = table.slice(start, len(items))
            if dataset.images is not None:
                items = pa.StructArray.from_arrays([items, group.column("id").combine_chunks()], ["bytes", "path"])
            writer.write_table(group.add_column(1, item, items))


def _groups(dataset: Dataset) -> Iterator[tuple[int, pa.Array]]:
    """Yield the first row and the embeddings or encoded images of each row group."""
    if dataset.embeddings is not None:
        for start in range(0, len(dataset), _ROWS_PER_GROUP):
            rows = np.asarray(dataset.embeddings[start : start + _ROWS_PER_GROUP])
            yield start, pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
        return
    assert dataset.images is not None
    content: list[bytes] = []
    n_bytes = start = 0
    for i in range(len(dataset)):
        image = dataset.images.read_bytes(i)
        if len(content) == _ROWS_PER_GROUP or (content and n_bytes + len(image) > _BYTES_PER_GROUP):
            yield start, pa.array(content, pa.binary())
            content, n_bytes, start = [], 0, i
        content.append(image)
        n_bytes += len(image)
    yield start, pa.array(content, pa.binary())


def _read_part(file: Path, name: Path) -> pa.Table:
    """Read the known columns group by group, and those that the folders of `name` tell (``split=train/``)."""
    try:
        # of a path, Arrow would take ~ for the home folder and s3:x for a URL
        with pa.OSFile(os.fsencode(file)) as opened, pq.ParquetFile(opened) as parquet:
            columns = [column for column in parquet.schema_arrow.names if column in _COLUMNS]
            groups = [parquet.read_row_group(i, columns=columns) for i in range(parquet.num_row_groups)]
            empty = parquet.schema_arrow.empty_table()
            found = parquet.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}; write or copy it anew") from error
    if len(set(columns)) < len(columns):
        twice = sorted({column for column in columns if columns.count(column) > 1})
        raise DataError(f"{file}: expected each column once, got several `{some(twice)}`; keep one of them")
    table = pa.concat_tables(groups) if groups else empty.select(columns)
    for folder in name.parent.parts:
        key, is_named, value = folder.partition("=")
        if is_named and key in _COLUMNS:
            told = None if value == _NULL_PARTITION else unquote(value)
            if key not in table.column_names:
                table = table.append_column(key, pa.array([told] * table.num_rows, pa.string()))
            elif (to_names(table.column(key), key, file) != (told or "")).any():  # some writers repeat it in the file
                raise DataError(
                    f"{file}: the folder `{folder}` and the column `{key}` contradict each other; drop that column, or "
                    "move its rows"
                )
    if len({"image", "embedding"} & set(columns)) != 1:
        raise DataError(
            f"{file}: expected a column `image` (struct of bytes and path) or a column `embedding` (list of numbers), "
            f"and not both; got {some(found, shown=20)}"
        )
    return table


def _common_columns(parts: dict[Path, pa.Table], path: Path) -> set[str]:
    """Return the columns of all parts, which must be the same: one that is missing in a part leaves its rows bare."""
    everywhere = set.union(*(set(part.column_names) for part in parts.values()))
    for column in sorted(everywhere):
        without = [file.relative_to(path) for file, part in parts.items() if column not in part.column_names]
        if without:
            raise DataError(
                f"{path}: expected the same columns in every part, got no `{column}` in {some(without)}; add it there, "
                "or drop it everywhere"
            )
    return everywhere


def _embeddings(parts: dict[Path, pa.Table], ids: NDArray[np.str_], path: Path) -> NDArray[np.float32]:
    matrices, start = {}, 0
    for file, part in parts.items():
        if part.num_rows or len(ids) == 0:  # an empty part says nothing of the width
            matrices[file] = to_matrix(part.column("embedding"), ids[start : start + part.num_rows], file)
        start += part.num_rows
    widths = {file: matrix.shape[1] for file, matrix in matrices.items()}
    if len(set(widths.values())) > 1:
        several = some(f"{file.relative_to(path)}: {width}" for file, width in widths.items())
        raise DataError(f"{path}: expected parts of one width, got {several}; keep those of one encoder")
    joined = list(matrices.values())
    return joined[0] if len(joined) == 1 else np.concatenate(joined)
