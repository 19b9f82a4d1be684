"""The widest thing that inference holds, one state per edge, as a window that moves over it."""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from torch import Tensor

from hilander.paged_arrays import fits_memory


class EdgeStates:
    """An array (m, hidden) float32 that is read and written window by window: in memory, or in a temporary file.

    The file is read and written rather than mapped: a page that is written through a map costs a fault each time, ten
    times what it takes to copy it.

    Parameters
    ----------
    m, hidden : int
    """

    def __init__(self, m: int, hidden: int) -> None:
        self._hidden = hidden
        self._values = np.empty((m, hidden), np.float32) if fits_memory(4 * m * hidden) else None
        if self._values is None:  # has no name, so nothing is left behind however the process ends
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            self._room = np.empty(0, np.float32)
            self._open: tuple[int, int] | None = None  # first and last row of the window that is still to be written

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
        n = (rows.stop - rows.start) * self._hidden
        if len(self._room) < n:
            self._room = np.empty(n, np.float32)
        self._file.seek(4 * rows.start * self._hidden)
        self._file.readinto(self._room[:n].data)
        self._open = (rows.start, rows.stop) if changes else None
        return torch.from_numpy(self._room[:n].reshape(-1, self._hidden))

    def _write_back(self) -> None:
        if self._open is not None:
            first, last = self._open
            self._file.seek(4 * first * self._hidden)
            self._file.write(self._room[: (last - first) * self._hidden].data)
            self._open = None
