"""The widest thing that inference holds, one state per edge, as a window that moves over it."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hilander.paged_arrays import fits_memory


class EdgeStates:
    """An array (m, hidden) float32 that is read and written window by window: in memory, or in a temporary file.

    The file is read and written rather than mapped: a page that is written through a map costs a fault each time, ten
    times what it takes to copy it. A thread of its own writes a window while others work on the next one.

    Parameters
    ----------
    m, hidden : int
    """

    def __init__(self, m: int, hidden: int) -> None:
        self._hidden = hidden
        self._values = np.empty((m, hidden), np.float32) if fits_memory(4 * m * hidden) else None
        if self._values is None:  # has no name, so nothing is left behind however the process ends
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            self._writer = ThreadPoolExecutor(1)
            self._room, self._other_room = np.empty(0, np.float32), np.empty(0, np.float32)
            self._open: tuple[int, int] | None = None  # first and last row of the window that is still to be written
            self._writing: Future[None] | None = None  # what stands in the other room
            self._rows_writing = (0, 0)

    def window(self, rows: slice, *, changes: bool = True) -> Tensor:
        """Return what stands in some rows; it is theirs until the next window is asked for.

        Parameters
        ----------
        rows : slice
        changes : bool
            Whether the rows will be written to; of those that were not before, the content is arbitrary.
        """
        if self._values is not None:
            return torch.from_numpy(self._values[rows])
        self._write_back()
        first, last = self._rows_writing
        if rows.start < last and first < rows.stop:
            self._finish_writing()
        n = (rows.stop - rows.start) * self._hidden
        if len(self._room) < n:
            self._room = np.empty(n, np.float32)
        os.preadv(self._file.fileno(), [self._room[:n].data], 4 * rows.start * self._hidden)
        self._open = (rows.start, rows.stop) if changes else None
        return torch.from_numpy(self._room[:n].reshape(-1, self._hidden))

    def _write_back(self) -> None:
        if self._open is None:
            return
        self._finish_writing()
        (first, last), self._open = self._open, None
        values, self._rows_writing = self._room[: (last - first) * self._hidden], (first, last)
        self._writing = self._writer.submit(self._write, values, 4 * first * self._hidden)
        self._room, self._other_room = self._other_room, self._room

    def _finish_writing(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, values: NDArray[np.float32], at: int) -> None:
        left = values.data.cast("B")
        while len(left):
            written = os.pwrite(self._file.fileno(), left, at)
            left, at = left[written:], at + written
