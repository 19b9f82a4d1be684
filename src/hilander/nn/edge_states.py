"""The widest thing that inference holds, one state per edge: in memory, or in a temporary file where it is large."""

from __future__ import annotations

import mmap
import tempfile

import numpy as np
import torch
from torch import Tensor

_LARGEST_IN_MEMORY = 1 << 30  # bytes
_BYTES_RESIDENT = 1 << 26  # of a file, roughly


class EdgeStates:
    """An array (m, hidden) float32 that is read and written from its first row to its last, window by window.

    Parameters
    ----------
    m, hidden : int
    """

    def __init__(self, m: int, hidden: int) -> None:
        self._pages: mmap.mmap | None = None
        self._passed = 0  # bytes, since pages were let go
        if 4 * m * hidden <= _LARGEST_IN_MEMORY:
            self._values = torch.empty((m, hidden))
            return
        with tempfile.TemporaryFile() as file:  # has no name, so nothing is left behind however the process ends
            file.truncate(4 * m * hidden)
            self._pages = mmap.mmap(file.fileno(), 4 * m * hidden)
        self._values = torch.from_numpy(np.frombuffer(self._pages, np.float32).reshape(m, hidden))

    def window(self, rows: slice) -> Tensor:
        """Return what stands in some rows, to be read and changed; asked for from the first rows to the last."""
        values = self._values[rows]
        self._passed += 4 * values.numel()
        if self._pages is not None and self._passed > _BYTES_RESIDENT:
            self._pages.madvise(mmap.MADV_DONTNEED)  # what was written stays in the file
            self._passed = 0
        return values
