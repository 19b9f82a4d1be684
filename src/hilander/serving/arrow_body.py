"""Embeddings from Parquet and Arrow bodies, which say how large they unpack before anything is unpacked."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hilander.serving.configuration import Limits
from hilander.serving.parquet_footer import read_chunk_sizes
from hilander.serving.refusals import invalid, too_large

ARROW_FILE = b"ARROW1"  # what a file begins and ends with
COLUMN = "embedding"
_REMEDY = f"send one column {COLUMN!r} of lists of numbers, all of one length"


def read_parquet(body: bytearray | bytes, limits: Limits) -> NDArray:
    """Return the column ``embedding`` of a Parquet file, (n, d).

    Raises
    ------
    Refusal
        It is damaged, holds something else, or unpacks beyond the limits.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(body)), thrift_string_size_limit=10_000_000)
        _check_column(file.schema_arrow)
        _check_rows(file.metadata.num_rows, limits)
        chunks = read_chunk_sizes(body)
        n_values = sum(chunk.n_values for chunk in chunks if chunk.column == COLUMN)
        n_bytes = sum(chunk.n_bytes for chunk in chunks)
        if n_bytes > limits.max_bytes or n_values * 4 > limits.max_bytes:
            raise too_large(
                f"the Parquet file may unpack to at most {limits.max_bytes:,} bytes, got "
                f"{max(n_bytes, 4 * n_values):,}; send it in several requests"
            )
        batches = file.iter_batches(columns=[COLUMN], batch_size=16_384, use_threads=False)
        return _stack([batch.column(0) for batch in batches], limits)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise invalid(f"the Parquet file is damaged ({_short(error)}); {_REMEDY}") from error


def read_arrow(body: bytearray | bytes, limits: Limits) -> NDArray:
    """Return the column ``embedding`` of an Arrow stream or file, (n, d).

    Raises
    ------
    Refusal
        It is damaged, holds something else, has compressed buffers (which do not say in advance how large they
        are), or goes beyond the limits.
    """
    buffer = pa.py_buffer(body)
    if body.startswith(ARROW_FILE):  # a file is a stream between a head of 8 bytes and a footer
        if not body.endswith(ARROW_FILE):  # one that ends between two batches is a whole stream of fewer rows
            raise invalid(f"the Arrow file is cut short, its footer is missing; {_REMEDY}")
        buffer = buffer.slice(min(8, len(buffer)))
    try:
        source = pa.BufferReader(buffer)
        head = pa.ipc.read_message(source)
        if head.type != "schema":  # which read_schema takes it for, and ends the process
            raise invalid(f"the Arrow body must begin with its schema, got {head.type!r}; {_REMEDY}")
        schema = pa.ipc.read_schema(head)
        _check_column(schema)
        _check_messages(source)
        columns = []
        n_rows = 0
        only = pa.ipc.IpcReadOptions(included_fields=[schema.names.index(COLUMN)], use_threads=False)
        for batch in pa.ipc.open_stream(buffer, options=only):
            batch.validate(full=True)
            n_rows += batch.num_rows
            _check_rows(n_rows, limits)
            columns.append(batch.column(COLUMN))
        return _stack(columns, limits)
    except (pa.ArrowException, EOFError, OSError, ValueError, struct.error) as error:
        raise invalid(f"the Arrow body is damaged ({_short(error)}); {_REMEDY}") from error


def _check_messages(source: pa.BufferReader) -> None:
    """Refuse what follows the schema unless it is record batches, and dictionaries of other columns, as they stand."""
    while True:
        try:
            message = pa.ipc.read_message(source)
        except EOFError:
            return
        if message.type not in ("record batch", "dictionary"):
            raise invalid(f"the Arrow body holds a {message.type}; {_REMEDY}")
        if _is_compressed(message.metadata.to_pybytes(), message.type):
            raise invalid("the Arrow body has compressed buffers; write it with compression=None, or as Parquet")


def _check_column(schema: pa.Schema) -> None:
    if schema.names.count(COLUMN) != 1:
        names = _short(", ".join(schema.names[:10])) or "none"
        raise invalid(f"expected one column {COLUMN!r}, got {names}; {_REMEDY}")
    kind: Any = schema.field(COLUMN).type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise invalid(f"column {COLUMN!r} is of type {_short(kind)}; {_REMEDY}")


def _check_rows(n_rows: int, limits: Limits) -> None:
    if n_rows > limits.max_rows:
        raise too_large(f"embeddings may have at most {limits.max_rows:,} rows, got {n_rows:,}; send fewer at once")


def _stack(columns: list[pa.Array], limits: Limits) -> NDArray:
    columns = [column for column in columns if len(column)]
    if not columns:
        raise invalid("embeddings must have at least one row, got none; nothing to do")
    rows = []
    width: int | None = None
    for column in columns:
        values = column.flatten()
        own = len(values) // len(column)
        width = own if width is None else width
        lengths = np.full(len(column), own)
        if not pa.types.is_fixed_size_list(column.type):
            lengths = np.diff(column.offsets.to_numpy())
        if column.null_count or values.null_count or own != width or (lengths != width).any() or width == 0:
            raise invalid(f"embeddings must have rows of one width without gaps; {_REMEDY}")
        if width > limits.max_width:
            raise too_large(f"embeddings may be at most {limits.max_width:,} wide, got {width:,}; reduce them first")
        rows.append(values.to_numpy(zero_copy_only=False).reshape(len(column), width))
    return np.concatenate(rows)


def _is_compressed(metadata: bytes, kind: str) -> bool:
    """Tell whether a message's record batch, or that in its dictionary batch, names a compression.

    All are flatbuffer tables: field 2 of a message is its header, 1 of a dictionary batch its record batch, and 3 of
    that one the compression.
    """
    batch = _table(metadata, _uint(metadata, 0), 2)
    if kind == "dictionary":
        batch = _table(metadata, batch, 1)
    return _field(metadata, batch, 3) is not None


def _table(buffer: bytes, table: int, number: int) -> int:
    """Position of the table that a field of another one refers to."""
    field = _field(buffer, table, number)
    if field is None:
        raise ValueError("a message without its content")
    return field + _uint(buffer, field)


def _field(buffer: bytes, table: int, number: int) -> int | None:
    """Position of a field of a flatbuffer table, None where it is absent."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", buffer, vtable)[0]:
        return None
    offset = struct.unpack_from("<H", buffer, vtable + 4 + 2 * number)[0]
    return table + offset if offset else None


def _uint(buffer: bytes, position: int) -> int:
    return int(struct.unpack_from("<I", buffer, position)[0])


def _short(words: object) -> str:
    return " ".join(str(words).split())[:150]
