"""Say why a first run takes longer: kernels are compiled for this processor, once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from numba.core import event
from tqdm import tqdm

_SENTENCE = "compiling for this processor, which later runs need not: up to a minute …"


@contextmanager
def told_of_compilation(show_progress: bool) -> Iterator[None]:
    """Print one line, beside the progress bars, when the first kernel is compiled that the cache does not hold.

    Parameters
    ----------
    show_progress : bool
        Whether to say anything.
    """
    if not show_progress:
        yield
        return
    listener = _Teller()
    event.register("numba:compile", listener)
    try:
        yield
    finally:
        event.unregister("numba:compile", listener)


class _Teller(event.Listener):
    def __init__(self) -> None:
        self._told = False

    def on_start(self, event: event.Event) -> None:
        if not self._told:
            self._told = True
            tqdm.write(_SENTENCE, file=sys.stderr)

    def on_end(self, event: event.Event) -> None:
        """Nothing follows."""
