"""Which files of a download of many have arrived, told one by one: one that fails takes none of the others with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from fsspec.callbacks import Callback


class Arrivals(Callback):
    """Given to a file system's ``get``, says of each file that it is here as soon as it is.

    Parameters
    ----------
    arrived : callable
        Gets the local path of a file that is here; may raise.
    side_by_side : bool
        The file system downloads files side by side. A fault is then kept for the end, so that the others arrive.

    Attributes
    ----------
    faults : list of Exception
        Those that were kept.
    """

    def __init__(self, arrived: Callable[[Path], None], *, side_by_side: bool) -> None:
        super().__init__()
        self.arrived, self.side_by_side = arrived, side_by_side
        self.faults: list[Exception] = []

    def branched(self, path_1: str, path_2: str, **kwargs: Any) -> Callback:
        """Return what is given to the download of one file, from `path_1` to `path_2`."""
        return _Arrival(self, Path(path_2))


class _Arrival(Callback):
    def __init__(self, arrivals: Arrivals, path: Path) -> None:
        super().__init__()
        self._arrivals, self._path = arrivals, path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            try:
                self._arrivals.arrived(self._path)
            except Exception as fault:
                error = fault
        if isinstance(error, Exception) and self._arrivals.side_by_side:
            self._arrivals.faults.append(error)
            return True
        if error is not None and kind is None:
            raise error
        return False
