"""Arrays in a folder that all workers reach: what every step of a clustering on a cluster reads and leaves."""

from __future__ import annotations

import io
import math
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    is_mapped : bool
        Whether a file on this machine is mapped; a map ends the process where somebody else cuts the file short.
    """

    url: str
    is_mapped: bool = True

    def write(self, name: str, array: NDArray) -> None:
        """Write an array, over what had that name.

        Raises
        ------
        FileNotFoundError
            The folder itself is gone, which no write makes anew.
        DiskFullError
            There is no room.
        OSError
            It cannot be written for now.
        """
        array = np.asarray(array, order="C")  # row after row, so that some of them can be read
        if self._fs is not None:
            content = io.BytesIO()
            np.save(content, array)
            try:
                self._fs.pipe_file(self._place(name), content.getvalue())  # at once, or not at all
            except OSError as error:
                raise OSError(_not_reached(self._place(name), "written", error)) from error
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
        OSError
            It cannot be read for now.
        ValueError
            Its file is damaged.
        """
        with self._telling(name):
            return self._read(name, start, stop)

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        """Say of which array what is amiss, and what to do."""
        try:
            yield
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{self._place(name)} is missing; workers must see the run folder. Where it was deleted from that, "
                "delete all of the folder, and start anew"
            ) from error
        except OSError as error:  # a connection that breaks is no damage
            raise OSError(_not_reached(self._place(name), "read", error)) from error
        except (ValueError, EOFError) as error:
            raise ValueError(
                f"{self._place(name)} is damaged ({error}); delete the run folder that it lies in, and start anew"
            ) from error

    def _read(self, name: str, start: int, stop: int | None) -> NDArray[Any]:
        if self._fs is None and self.is_mapped:
            return np.load(self._place(name), mmap_mode="r")[start:stop]
        with self._open(name) as file:
            shape, column_after_column, dtype, begin = _header(file)
            if column_after_column and self._fs is None:
                return np.array(np.load(self._place(name), mmap_mode="r")[start:stop])
            if column_after_column:
                raise ValueError(
                    f"{name}.npy lies column after column, expected it row after row; save it with "
                    "numpy.save(path, numpy.ascontiguousarray(array))"
                )
            start, stop, _ = slice(start, stop).indices(shape[0])
            n_rows = max(stop - start, 0)
            row = dtype.itemsize * math.prod(shape[1:])
            file.seek(begin + start * row)
            content = file.read(n_rows * row)
        return np.frombuffer(content, dtype).reshape(n_rows, *shape[1:])

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array, of which only the header is read; raises as `read` does."""
        with self._telling(name):
            if self._fs is None:
                return np.load(self._place(name), mmap_mode="r").shape
            with self._open(name) as file:
                return _header(file)[0]

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
        """Return the names of all arrays in a folder of the store.

        Raises
        ------
        OSError
            It cannot be listed for now.
        """
        place = f"{self._root}/{folder}"
        try:
            if self._fs is None:
                files = [path.name for path in Path(place).iterdir()]
            else:
                files = [Path(found).name for found in self._fs.ls(place, detail=False, refresh=True)]
        except FileNotFoundError:
            return set()
        except OSError as error:  # not as if it were empty: all would be done again, from what is deleted already
            raise OSError(_not_reached(place, "listed", error)) from error
        return {f"{folder}/{Path(file).stem}" for file in files if file.endswith(".npy") and not file.startswith(".")}

    def remove(self, folder: str) -> None:
        """Delete a folder of the store, if it is there.

        Raises
        ------
        OSError
            At a URL, it cannot be deleted for now.
        """
        place = f"{self._root}/{folder}"
        if self._fs is None:
            shutil.rmtree(place, ignore_errors=True)
            return
        try:
            self._fs.rm(place, recursive=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OSError(_not_reached(place, "deleted", error)) from error

    def _open(self, name: str) -> BinaryIO:
        if self._fs is None:
            return Path(self._place(name)).open("rb")
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
        return {"url": self.url, "is_mapped": self.is_mapped}


def _not_reached(place: str, what: str, error: OSError) -> str:
    return f"{place} could not be {what} ({error}); mend the connection or the access, and the same call carries on"


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether the array lies column after column, dtype and where the rows begin."""
    header = io.BytesIO(file.read(_MOST_HEADER))
    version = np.lib.format.read_magic(header)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, column_after_column, dtype = read(header)
    return shape, column_after_column and len(shape) > 1, dtype, header.tell()
