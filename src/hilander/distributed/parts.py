"""One array of many rows as several arrays of a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.distributed.store import Store


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
