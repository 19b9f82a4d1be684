"""Arrays in a folder that all workers reach: what every step of a clustering on a cluster reads and leaves."""

from __future__ import annotations

import io
import math
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hilander.atomic_write import DiskFullError, atomic_file, save_array

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_MOST_HEADER = 1 << 10  # bytes of a .npy file that hold all of its header


@dataclass(frozen=True)
class Store:
    """Named arrays, each a ``.npy`` file that is there in full or not at all.

    Parameters
    ----------
    url : str
        A folder: a path that all workers see, or any URL that fsspec knows (``s3://…``, ``gs://…``).
    """

    url: str

    def write(self, name: str, array: NDArray) -> None:
        """Write an array, over what had that name.

        Raises
        ------
        FileNotFoundError
            The folder itself is gone, which no write makes anew.
        DiskFullError
            There is no room.
        """
        array = np.asarray(array, order="C")  # row after row, so that some of them can be read
        if self._fs is not None:
            content = io.BytesIO()
            np.save(content, array)
            self._fs.pipe_file(self._place(name), content.getvalue())  # at once, or not at all
            return
        if not Path(self._root).is_dir():
            raise FileNotFoundError(
                f"{self._root} is not there on {socket.gethostname()}, and with it no part: all workers must see a run "
                "folder, and it must stay until the end"
            )
        try:
            with atomic_file(self._place(name)) as path:
                save_array(path, array)
        except DiskFullError as error:
            raise DiskFullError(
                f"{self._place(name)} could not be written, there is no room for its {array.nbytes:,} bytes; make "
                "room, and the same call carries on"
            ) from error

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return rows of an array; of a folder on this machine as a read-only map of the file.

        Raises
        ------
        FileNotFoundError
            There is no array of that name.
        ValueError
            Its file is damaged.
        """
        try:
            return self._read(name, start, stop)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{self._place(name)} is missing; workers must see the run folder. Where it was deleted from that, "
                "delete all of the folder, and start anew"
            ) from error
        except (ValueError, EOFError) as error:  # a connection that breaks is no damage
            raise ValueError(
                f"{self._place(name)} is damaged ({error}); delete the run folder that it lies in, and start anew"
            ) from error

    def _read(self, name: str, start: int, stop: int | None) -> NDArray[Any]:
        if self._fs is None:
            return np.load(self._place(name), mmap_mode="r")[start:stop]
        with self._open(name) as file:
            shape, dtype, begin = _header(file, name)
            start, stop, _ = slice(start, stop).indices(shape[0])
            n_rows = max(stop - start, 0)
            row = dtype.itemsize * math.prod(shape[1:])
            file.seek(begin + start * row)
            content = file.read(n_rows * row)
        return np.frombuffer(content, dtype).reshape(n_rows, *shape[1:])

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array, of which only the header is read."""
        if self._fs is None:
            return np.load(self._place(name), mmap_mode="r").shape
        with self._open(name) as file:
            return _header(file, name)[0]

    def below(self, folder: str) -> Store:
        """Return the store in a folder of this one."""
        if self._fs is None:
            Path(self._root, folder).mkdir(exist_ok=True)
        return Store(f"{self.url.rstrip('/')}/{folder}")

    def kept(self, name: str, compute: Callable[[], NDArray]) -> NDArray[Any]:
        """Return the array of that name; where there is none, compute and write it first."""
        if name not in self.names(name.rpartition("/")[0]):
            self.write(name, compute())
        return self.read(name)

    def names(self, folder: str) -> set[str]:
        """Return the names of all arrays in a folder of the store."""
        if self._fs is None:
            return {f"{folder}/{path.stem}" for path in (Path(self._root) / folder).glob("[!.]*.npy")}
        place = f"{self._root}/{folder}"
        if not self._fs.exists(place):
            return set()
        return {f"{folder}/{Path(found).stem}" for found in self._fs.ls(place, detail=False, refresh=True)}

    def remove(self, folder: str) -> None:
        """Delete a folder of the store, if it is there."""
        if self._fs is None:
            shutil.rmtree(Path(self._root) / folder, ignore_errors=True)
        elif self._fs.exists(f"{self._root}/{folder}"):
            self._fs.rm(f"{self._root}/{folder}", recursive=True)

    def _open(self, name: str) -> BinaryIO:
        assert self._fs is not None
        return self._fs.open(self._place(name), "rb", block_size=_MOST_HEADER, cache_type="none")

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}.npy"

    @cached_property
    def _fs(self) -> AbstractFileSystem | None:
        """The file system behind a URL; None for a folder of this machine, whose files are mapped."""
        if "://" not in self.url or self.url.startswith("file://"):
            return None
        import fsspec

        return fsspec.core.url_to_fs(self.url, use_listings_cache=False)[0]  # other processes write here too

    @cached_property
    def _root(self) -> str:
        if self._fs is None:
            return self.url.removeprefix("file://")
        import fsspec

        return fsspec.core.url_to_fs(self.url)[1]

    def __getstate__(self) -> dict[str, Any]:
        """Travel without the connection."""
        return {"url": self.url}


def _header(file: BinaryIO, name: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, dtype and where the rows begin."""
    header = io.BytesIO(file.read(_MOST_HEADER))
    np.lib.format.read_magic(header)
    shape, column_after_column, dtype = np.lib.format.read_array_header_1_0(header)
    if column_after_column and len(shape) > 1:
        raise ValueError(
            f"{name}.npy lies column after column, expected it row after row; save it with "
            "numpy.save(path, numpy.ascontiguousarray(array))"
        )
    return shape, dtype, header.tell()


@dataclass(frozen=True)
class Parts:
    """One array of n rows in parts, each an array of the store.

    Attributes
    ----------
    store : Store
    name : str
        Part p is ``<name>/<p>``.
    bounds : ndarray of shape (n_parts + 1,), int64
        Part p holds the rows from ``bounds[p]`` up to ``bounds[p + 1]``.
    """

    store: Store
    name: str
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def write(self, part: int, values: NDArray) -> None:
        """Write one part."""
        self.store.write(f"{self.name}/{part:06d}", values)

    def read(self, part: int, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return one part, or its rows from `start` up to `stop`."""
        return self.store.read(f"{self.name}/{part:06d}", start, stop)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return the rows from `start` up to `stop`, wherever they lie."""
        if stop <= start:
            return self.read(0)[:0]
        first, last = self.part_of(np.array([start, stop - 1]))
        found = []
        for part in range(first, last + 1):
            offset = self.bounds[part]
            inside = max(start - offset, 0), min(stop, self.bounds[part + 1]) - offset
            found.append(self.read(part, int(inside[0]), int(inside[1])))
        return found[0] if len(found) == 1 else np.concatenate(found)

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return rows in any order; of each part only what lies between the first and the last of them is read."""
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        ends = np.searchsorted(ascending, self.bounds)
        taken: NDArray[Any] | None = None
        for part in range(len(self)):
            inside = ascending[ends[part] : ends[part + 1]]
            if len(inside):
                start, stop = int(inside[0]), int(inside[-1]) + 1
                found = self.rows(start, stop)[inside - start]
                if taken is None:
                    taken = np.empty((len(rows), *found.shape[1:]), found.dtype)
                taken[order[ends[part] : ends[part + 1]]] = found
        return self.read(0)[:0] if taken is None else taken

    def all(self) -> NDArray[Any]:
        """Return the whole array: for what is a few numbers per row, never for features."""
        return np.concatenate([self.read(part) for part in range(len(self))])

    def part_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the part that holds each row."""
        return np.searchsorted(self.bounds, rows, side="right") - 1

    def named(self, name: str) -> Parts:
        """Return another array in the same parts."""
        return Parts(self.store, name, self.bounds)

    @classmethod
    def even(cls, store: Store, name: str, n_rows: int, rows_per_part: int) -> Parts:
        """Cut `n_rows` into as few parts of at most so many rows as there can be, all about as large."""
        n_parts = max(-(-n_rows // rows_per_part), 1)
        bounds = np.arange(n_parts + 1, dtype=np.int64) * n_rows // n_parts
        return cls(store, name, bounds)
