"""The embeddings that a clustering in parts reads: .npy or Parquet shards, wherever they lie, cut into pieces."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilander.data.errors import DataError, some
from hilander.distributed.shard_files import is_url, list_files, list_shards, open_shard
from hilander.distributed.store import Store
from hilander.embeddings import as_real_matrix

MOST_ROWS = 65_536  # of a piece
_FILES_AT_ONCE = 16  # whose headers are read side by side


@dataclass(frozen=True)
class Piece:
    """Some consecutive rows of a shard.

    Attributes
    ----------
    shard : str
        Absolute path or URL of the file.
    start, stop : int
        Its rows within the shard.
    first_row : int
        Number of the first of them among all rows of the input.
    """

    shard: str
    start: int
    stop: int
    first_row: int

    def read(self) -> NDArray[Any]:
        """Return the rows (stop - start, d) as they were saved.

        Raises
        ------
        DataError
            The file is not there, has fewer rows than before or is damaged, or rows of a Parquet file are missing or of
            another width than the first one.
        """
        try:
            rows = self._read()
        except DataError:
            raise
        except FileNotFoundError as error:
            raise DataError(
                f"{self.shard} is not there on {socket.gethostname()}: all workers must see the shards, which must "
                "stay until they are read"
            ) from error
        except (OSError, ValueError) as error:  # what a store advises is for run folders, not for input
            raise DataError(f"{self.shard} cannot be read: {error.__cause__ or error}") from error
        if len(rows) != self.stop - self.start:
            raise DataError(
                f"{self.shard} has changed since this run began: expected rows up to {self.stop:,}, found "
                f"{self.start + len(rows):,}; begin anew, in another run folder, once shards stay as they are"
            )
        return rows

    def _read(self) -> NDArray[Any]:
        if self.shard.endswith(".npy"):
            store, name = _as_store(self.shard)
            return store.read(name, self.start, self.stop)
        from hilander.distributed.parquet_shard import read_parquet_rows

        with open_shard(self.shard) as file:
            return read_parquet_rows(file, self.shard, self.start, self.stop, self.first_row)


@dataclass(frozen=True)
class Source:
    """Rows of embeddings in one or more shards, counted shard after shard.

    Attributes
    ----------
    pieces : tuple of Piece
        Each of at most 65,536 rows, in the order of the rows.
    n_rows, width : int
        Of all shards together, and of each row.
    digest : str
        The same as long as the input is the same: from the shards' names, sizes and times of change (or what else
        the file system tells them apart by), or from the bytes of an array.
    place : str or None
        Where shards were listed; None where an array was given.
    versions : dict of str to list of str
        By shard, what tells it from a changed one.
    """

    pieces: tuple[Piece, ...]
    n_rows: int
    width: int
    digest: str
    place: str | None = None
    versions: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def open(cls, place: str | Path) -> Source:
        """Look at what lies at `place`; only headers are read.

        Parameters
        ----------
        place : str or Path
            A ``.npy`` file of shape (n, d), a ``.parquet`` file with a column ``embedding`` (lists of d numbers), a
            folder of such files or a pattern that they match (``shards/*.npy``), on this machine or at a URL that
            fsspec opens. Shards are sorted by name; ``.npy`` files whose names end in ``labels`` are left out, as is
            what `hilander.distributed.shard_patterns.matching_files` leaves out.

        Raises
        ------
        DataError
            Nothing there, several formats or widths side by side, a file that holds no embeddings, or a folder that
            cannot be listed.
        ImportError
            `place` is a URL, and fsspec or what it needs for it is not installed.
        """
        shards = list_shards(str(place))
        with ThreadPoolExecutor(_FILES_AT_ONCE) as threads:
            shapes = list(threads.map(_shape, shards))
        told = [(shard.rpartition("/")[2], *version) for shard, version in shards.items()]
        source = _source(list(shards), shapes, hashlib.sha256(json.dumps(told).encode()).hexdigest())
        return replace(source, place=str(place), versions=shards)

    def check_unchanged(self) -> None:
        """See that what was read is what was opened; shards that have come or gone meanwhile make no difference.

        Raises
        ------
        DataError
            Shards have changed.
        """
        now = list_files(self.place) if self.place is not None else {}
        changed = [shard for shard, version in self.versions.items() if now.get(shard, version) != version]
        if changed:
            raise DataError(
                f"{some(changed)} changed while shards were read; begin anew, in another run folder, once they stay as "
                "they are"
            )


def array_digest(embeddings: ArrayLike) -> str:
    """Return the digest of the source that `from_array` makes of embeddings (n, d).

    Raises
    ------
    ValueError
        Not two-dimensional or not real numbers.
    """
    array = as_real_matrix(embeddings)
    sha = hashlib.sha256(repr((*array.shape, array.dtype.str)).encode())
    for start in range(0, len(array), MOST_ROWS):
        sha.update(np.ascontiguousarray(array[start : start + MOST_ROWS]).data)
    return sha.hexdigest()


def from_array(store: Store, embeddings: ArrayLike, digest: str | None = None) -> Source:
    """Write embeddings (n, d) into the store piece by piece, for workers that cannot see them.

    A piece that is there already is not written anew.

    Parameters
    ----------
    store : Store
    embeddings : array-like of shape (n, d)
    digest : str, optional
        Their `array_digest`, where it is known.

    Raises
    ------
    ValueError
        Not two-dimensional or not real numbers.
    """
    array = as_real_matrix(embeddings)
    n, d = array.shape
    digest = digest or array_digest(array)
    folder = f"input-{digest[:16]}"
    there = store.names(folder)
    shapes = []
    for number, start in enumerate(range(0, n, MOST_ROWS)):
        rows = array[start : start + MOST_ROWS]
        if f"{folder}/{number:06d}" not in there:
            store.write(f"{folder}/{number:06d}", rows)
        shapes.append(([len(rows)], d))
    url = store.url if is_url(store.url) else str(Path(store.url).resolve())
    shards = [f"{url.rstrip('/')}/{folder}/{number:06d}.npy" for number in range(len(shapes))]
    return _source(shards, shapes or [([0], d)], digest)


def _source(shards: Sequence[str], shapes: Sequence[tuple[Sequence[int], int]], digest: str) -> Source:
    """Cut shards, of which the rows of each row group and the width are known, into pieces."""
    widths = {width: shard for shard, (groups, width) in zip(shards, shapes, strict=False) if sum(groups)}
    if len(widths) > 1:
        raise DataError(
            f"embeddings must have one width; {some(f'{shard} has {width}' for width, shard in widths.items())}"
        )
    pieces, n = [], 0
    for shard, (groups, _) in zip(shards, shapes, strict=False):
        cuts = _cuts(groups)
        pieces += [Piece(shard, start, stop, n + start) for start, stop in pairwise(cuts)]
        n += cuts[-1]
    return Source(tuple(pieces), n, next(iter(widths), shapes[0][1]), digest)


def _cuts(groups: Sequence[int]) -> list[int]:
    """Where to cut a shard: between row groups where these are small, and within large ones."""
    cuts, end = [0], 0
    for n_rows in groups:
        begin, end = end, end + n_rows
        if end - cuts[-1] > MOST_ROWS and begin > cuts[-1]:
            cuts.append(begin)
        while end - cuts[-1] > MOST_ROWS:
            cuts.append(cuts[-1] + MOST_ROWS)
    return cuts if end == cuts[-1] else [*cuts, end]


def _shape(shard: str) -> tuple[Sequence[int], int]:
    """Rows of each row group, and width."""
    if shard.endswith(".parquet"):
        from hilander.distributed.parquet_shard import parquet_shape

        with open_shard(shard) as file:
            return parquet_shape(file, shard)
    store, name = _as_store(shard)
    try:
        shape, dtype = store.shape(name), store.read(name, 0, 0).dtype
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{shard} cannot be read as a NumPy file of numbers: {error.__cause__ or error}") from error
    if len(shape) != 2 or dtype.kind not in "fiub":
        raise DataError(f"{shard}: expected numbers of shape (n, d), one row per item; got {dtype} of shape {shape}")
    return [shape[0]], shape[1]


def _as_store(shard: str) -> tuple[Store, str]:
    folder, _, name = shard.rpartition("/")
    return Store(f"{folder}/", is_mapped=False), name.removesuffix(".npy")
