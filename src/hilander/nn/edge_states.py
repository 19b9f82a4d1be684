"""The widest thing that inference holds, one state per edge: in memory, or in a temporary file where it is large."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

_LARGEST_IN_MEMORY = 1 << 30  # bytes
_BYTES_RESIDENT = 1 << 26  # of a file, roughly


class EdgeStates:
    """An array (m, hidden) float32 that is read and written from its first row to its last, chunk by chunk.

    Parameters
    ----------
    m, hidden : int
    """

    def __init__(self, m: int, hidden: int) -> None:
        self._pages: mmap.mmap | None = None
        if 4 * m * hidden <= _LARGEST_IN_MEMORY:
            self._values = torch.empty((m, hidden))
            return
        with tempfile.TemporaryFile() as file:  # has no name, so nothing is left behind however the process ends
            file.truncate(4 * m * hidden)
            self._pages = mmap.mmap(file.fileno(), 4 * m * hidden)
        self._values = torch.from_numpy(np.frombuffer(self._pages, np.float32).reshape(m, hidden))

    def chunks(self, n_rows: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield rows and what stands there, to be read and changed."""
        m, hidden = self._values.shape
        passed = 0
        for start in range(0, m, n_rows):
            rows = slice(start, min(start + n_rows, m))
            yield rows, self._values[rows]
            passed += 4 * n_rows * hidden
            if self._pages is not None and passed > _BYTES_RESIDENT:
                self._pages.madvise(mmap.MADV_DONTNEED)  # what was written stays in the file
                passed = 0
