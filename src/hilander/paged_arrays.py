"""Large arrays that need not be resident: they lie in a temporary file, whose pages are let go once they were used."""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import DTypeLike, NDArray

_LARGEST_IN_MEMORY = 1 << 28  # bytes
_ROWS_NEAR = 1 << 14  # to either side


class _Pages(mmap.mmap):
    """A map of our own, which a file stands behind."""


def fits_memory(n_bytes: int) -> bool:
    """Return whether an array of so many bytes had better lie in memory than in a file."""
    return n_bytes <= _LARGEST_IN_MEMORY


def empty_array(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return an array of no particular content: in memory, or in a temporary file where it is large.

    What was written stays in the file, and is read from there or from the system's cache when it is looked at again.

    Raises
    ------
    OSError
        There is not so much room where temporary files lie: to run out of it later would end the process.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if fits_memory(n_bytes):
        return np.empty(shape, dtype)
    place = tempfile.gettempdir()
    if (free := shutil.disk_usage(place).free) < n_bytes:
        raise OSError(_too_little_room(place, n_bytes, f"{free:,} are free"))
    with tempfile.TemporaryFile() as file:  # has no name, so nothing is left behind however the process ends
        try:
            os.posix_fallocate(file.fileno(), 0, n_bytes)  # of the room that is free, other arrays may get some too
        except OSError as error:
            raise OSError(_too_little_room(place, n_bytes, f"got none ({error.strerror})")) from error
        return np.frombuffer(_Pages(file.fileno(), n_bytes), dtype).reshape(shape)


def _too_little_room(place: str, n_bytes: int, found: str) -> str:
    return (
        f"temporary files in {place} need room for {n_bytes:,} bytes, but {found}; let TMPDIR name a folder on a "
        "larger disk"
    )


def let_go(array: NDArray[Any], *, but: slice | None = None) -> None:
    """Let the system take back the memory of an array that lies in a file; of any other array nothing happens.

    Cheap enough to be called after every few megabytes. Other threads may be at work on the array: pages come back
    when they are looked at.

    Parameters
    ----------
    array : ndarray
        All that the same file holds goes with it.
    but : slice, optional
        Rows that stay resident, if they are: each page that has to come back costs a fault.
    """
    pages = _pages(array)
    if pages is None:
        return
    kept = array[:0] if but is None else array[but]
    if not kept.size:
        pages.madvise(mmap.MADV_DONTNEED)
        return
    start = np.frombuffer(pages, np.uint8).__array_interface__["data"][0]
    first, end = (place - start for place in byte_bounds(kept))
    first, end = first - first % mmap.PAGESIZE, end + -end % mmap.PAGESIZE
    if first > 0:
        pages.madvise(mmap.MADV_DONTNEED, 0, first)
    if end < len(pages):
        pages.madvise(mmap.MADV_DONTNEED, end, len(pages) - end)


def rows_near(first: int, last: int) -> slice:
    """Return the rows that most of what is looked at next lies among, after those from `first` up to `last`.

    So it is where rows are in an order of their place in space, see `hilander.graph.spatial_order`.
    """
    return slice(max(first - _ROWS_NEAR, 0), last + _ROWS_NEAR)


def _pages(array: NDArray[Any]) -> mmap.mmap | None:
    """Return the map of a file that an array lies in, unless what was written to it would be lost."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode in ("r", "r+") and isinstance(base.base, mmap.mmap):
            return base.base
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, _Pages) else None  # of other maps it is not known whether a file stands behind
