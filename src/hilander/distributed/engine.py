"""Who does the work on parts: this process, one part after the other, or the workers of a Dask scheduler."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from tqdm import tqdm

from hilander.distributed.store import Store

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 15.0  # longer than a worker that died takes to come back


class Engine(Protocol):
    """Calls a function for many parts, in any order and any number at a time."""

    def call(self, work: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> Iterable[object]:
        """Call ``work(*each)`` for each of `arguments`; yields something as each call ends."""
        ...


class WorkersLost(OSError):
    """Workers or their scheduler died, more often than others could make up for."""


class ThisProcess:
    """One part after the other; each takes the threads that there are."""

    def call(self, work: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> Iterable[object]:
        """See `Engine`."""
        for each in arguments:
            work(*each)
            yield each


@dataclass
class DaskWorkers:
    """The workers of a Dask scheduler. A part whose worker dies is given to another one.

    Where no worker is left, the parts wait for one, and a warning says so.

    Parameters
    ----------
    client : distributed.Client
    """

    client: Client

    def call(self, work: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> Iterable[object]:
        """See `Engine`."""
        from distributed import KilledWorker, as_completed

        open_ = {self.client.submit(_call, work, each, pure=False) for each in arguments}
        try:
            with _watched(self.client):
                for future in as_completed(list(open_), loop=self.client.loop):
                    if future.status != "finished":
                        future.result()  # which raises
                    open_.remove(future)
                    future.release()  # else Dask does it again where its worker dies, for a result that nobody asks for
                    yield future.key
        except KilledWorker as error:
            raise WorkersLost(
                "several workers died at the same part, most likely of too little memory; give them more (1.5 GB "
                "for each thread), or fewer threads"
            ) from error
        except CancelledError as error:
            raise WorkersLost(
                "the scheduler was lost; start it again, and the same call with the same run folder carries on"
            ) from error
        finally:
            self.client.cancel(list(open_))


@contextmanager
def _watched(client: Client) -> Iterator[None]:
    """Warn where no worker has been left for two looks: Dask itself waits for one without a word."""
    ended = threading.Event()

    def watch() -> None:
        n_looks = 0
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            with suppress(OSError, RuntimeError):  # of a scheduler that is lost or closed, which the call itself tells
                n_looks = 0 if client.nthreads() else n_looks + 1
                if n_looks == 2:
                    logger.warning(
                        "no worker is left at %s, their logs say why; waiting for one. End with Ctrl-C: the same call "
                        "with the same run folder carries on",
                        client.scheduler.addr if client.scheduler else "the scheduler",
                    )

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()


def _call(work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    work(*arguments)  # what it returns stays with the worker


@dataclass
class Run:
    """One clustering, done step by step; a step that a former process has finished in the same store is not repeated.

    Parameters
    ----------
    store : Store
    engine : Engine
    show_progress : bool
        Draw a progress bar of every step.
    """

    store: Store
    engine: Engine
    show_progress: bool = False

    def step(self, name: str, work: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> None:
        """Call ``work(*arguments[p])`` for every part p that is not done yet.

        Parameters
        ----------
        name : str
            What the progress bar says, and what finished parts are noted under: no two steps have one name.
        work : callable
            Reads what it needs from the store and writes its results there: its every call must do the same however
            often it is made.
        arguments : sequence of tuple
        """
        noted = f"done/{name}"
        done = self.store.names(noted)
        marks = [f"{noted}/{part:06d}" for part in range(len(arguments))]
        open_ = [
            (work, each, self.store, mark) for each, mark in zip(arguments, marks, strict=True) if mark not in done
        ]
        n_done = len(arguments) - len(open_)  # by a former process: no part of the rate, by which the time left is told
        with tqdm(total=len(arguments), initial=n_done, desc=name, unit="part", disable=not self.show_progress) as bar:
            for _ in self.engine.call(_do_and_note, open_):
                bar.update()


def _do_and_note(work: Callable[..., None], arguments: tuple[Any, ...], store: Store, mark: str) -> None:
    work(*arguments)
    store.write(mark, np.empty(0, np.int8))
