"""The widest thing that inference holds, one state per edge, as a window that moves over it."""

from __future__ import annotations

import torch
from torch import Tensor

from hilander.paged_arrays import empty_array, let_go

_BYTES_RESIDENT = 1 << 26  # of a file, roughly


class EdgeStates:
    """An array (m, hidden) float32 that is read and written from its first row to its last, window by window.

    Parameters
    ----------
    m, hidden : int
    """

    def __init__(self, m: int, hidden: int) -> None:
        self._values = empty_array((m, hidden))
        self._passed = 0  # bytes, since pages were let go

    def window(self, rows: slice) -> Tensor:
        """Return what stands in some rows, to be read and changed; asked for from the first rows to the last."""
        values = torch.from_numpy(self._values[rows])
        self._passed += 4 * values.numel()
        if self._passed > _BYTES_RESIDENT:
            let_go(self._values)
            self._passed = 0
        return values
