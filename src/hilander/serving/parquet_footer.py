"""How large the parts of a Parquet file are, by its footer: read here, since Arrow ends the process on damaged ones.

Sources: Apache Parquet's `parquet.thrift` (structs FileMetaData, RowGroup, ColumnChunk and ColumnMetaData), and
Thrift's specification of the compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MAGIC = b"PAR1"
MOST_BYTES = 4 * 2**20  # of a footer: every byte of it may be a step in Python

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_WIDTHS = {_TRUE: 1, _FALSE: 1, _BYTE: 1, _DOUBLE: 8}  # as elements; as fields, booleans are in the field's head
_DEEPEST = 16
_LONGEST_NUMBER = 10  # bytes


class ChunkSizes(NamedTuple):
    """What the footer says of one column in one row group.

    Attributes
    ----------
    column : str
        Its outermost name in the schema.
    n_values : int
        Nulls included.
    n_bytes : int
        Unpacked.
    """

    column: str
    n_values: int
    n_bytes: int


def read_chunk_sizes(file: bytes | bytearray) -> list[ChunkSizes]:
    """Return the sizes of all columns in all row groups.

    Raises
    ------
    ValueError
        The file has no footer, a damaged or encrypted one, or one of more than `MOST_BYTES`.
    """
    if len(file) < 12 or bytes(file[-4:]) != MAGIC:
        raise ValueError("it does not end as a Parquet file")
    length = int.from_bytes(file[-8:-4], "little")
    if length > min(len(file) - 12, MOST_BYTES):
        raise ValueError(f"its footer takes {length:,} bytes; {MOST_BYTES:,} are read at most")
    compact = _Compact(bytes(file[-8 - length : -8]))
    try:
        return [
            _column_sizes(compact)
            for _ in compact.structs_of_field(4)  # the row groups
            for _ in compact.structs_of_field(1)  # of a row group: its columns
        ]
    except IndexError:
        raise ValueError("its footer ends within a value") from None


def _column_sizes(compact: _Compact) -> ChunkSizes:
    """Read a ColumnChunk, whose field 3 is its ColumnMetaData."""
    sizes = None
    for field, kind in compact.fields():
        if field == 3 and kind == _STRUCT:
            sizes = _metadata_sizes(compact)
        else:
            compact.skip(kind)
    if sizes is None:
        raise ValueError("a column is encrypted, or lies in another file")
    return sizes


def _metadata_sizes(compact: _Compact) -> ChunkSizes:
    column: str | None = None
    numbers: dict[int, int] = {}
    for field, kind in compact.fields():
        if field == 3 and kind == _LIST:
            n_names, of = compact.list_head()
            for i in range(n_names):
                if i == 0 and of == _BINARY:
                    column = compact.binary().decode("utf-8", errors="replace")
                else:
                    compact.skip_element(of)
        elif field in (5, 6) and kind == _I64:
            numbers[field] = compact.number()
        else:
            compact.skip(kind)
    if column is None or len(numbers) < 2 or min(numbers.values()) < 0:
        raise ValueError("a column without its name or its sizes")
    return ChunkSizes(column, numbers[5], numbers[6])


class _Compact:
    """Values of Thrift's compact protocol, one after the other; reading past the end is an IndexError."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at, self._depth = content, 0, 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and type of each field of a struct; whoever asks reads or skips it before the next one."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("its footer is nested too deeply")
        field, seen = 0, set()
        while (head := self._byte()) != _STOP:
            step, kind = head >> 4, head & 15
            field = field + step if step else self.number()
            if field in seen:  # other readers take the last one, which need not be the one that is judged
                raise ValueError("a field comes twice")
            seen.add(field)
            yield field, kind
        self._depth -= 1

    def structs_of_field(self, wanted: int) -> Iterator[None]:
        """Read a struct, stopping before each struct of the list in one of its fields, which is to be read then."""
        for field, kind in self.fields():
            if field != wanted or kind != _LIST:
                self.skip(kind)
                continue
            n, of = self.list_head()
            if n and of != _STRUCT:
                raise ValueError("a list of other values than structs")
            for _ in range(n):
                yield

    def list_head(self) -> tuple[int, int]:
        """Return number and type of a list's elements."""
        head = self._byte()
        n = head >> 4
        return (self._unsigned() if n == 15 else n), head & 15

    def binary(self) -> bytes:
        """Return bytes or text."""
        n = self._unsigned()
        self._move(n)
        return self._content[self._at - n : self._at]

    def number(self) -> int:
        """Return a whole number."""
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def skip(self, kind: int) -> None:
        """Pass over a field."""
        if kind not in (_TRUE, _FALSE):
            self.skip_element(kind)

    def skip_element(self, kind: int) -> None:
        """Pass over an element of a list."""
        if kind in _WIDTHS:
            self._move(_WIDTHS[kind])
        elif kind in (_I16, _I32, _I64):
            self._unsigned()
        elif kind == _BINARY:
            self.binary()
        elif kind in (_LIST, _SET):
            n, of = self.list_head()
            self._skip_elements(n, (of,))
        elif kind == _MAP:
            n = self._unsigned()
            kinds = self._byte() if n else 0
            self._skip_elements(n, (kinds >> 4, kinds & 15))
        elif kind == _STRUCT:
            for _, of in self.fields():
                self.skip(of)
        else:
            raise ValueError(f"a value of unknown type {kind}")

    def _skip_elements(self, n: int, kinds: tuple[int, ...]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("its footer is nested too deeply")
        if n > len(self._content):
            raise IndexError
        for _ in range(n):
            for kind in kinds:
                self.skip_element(kind)
        self._depth -= 1

    def _move(self, n: int) -> None:
        self._at += n
        if self._at > len(self._content):
            raise IndexError

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _unsigned(self) -> int:
        value = 0
        for place in range(_LONGEST_NUMBER):
            byte = self._byte()
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return value
        raise ValueError("a number without end")
