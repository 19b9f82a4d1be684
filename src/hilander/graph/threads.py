"""The same work on block after block of rows, by several threads.

Compiled kernels run here rather than under numba's ``parallel=True``: numba optimises those once more before it caches
them, so that with ``fastmath`` the first process on a machine would round otherwise than all later ones, and it sets
the number of threads of every other library that uses OpenMP.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import faiss
import threadpoolctl
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController
from tqdm import tqdm


def number_of_threads() -> int:
    """Return how many threads OpenMP would take: ``OMP_NUM_THREADS``, else all cores."""
    return int(faiss.omp_get_max_threads())


def by_threads(
    work: Callable[[slice], object],
    n_rows: int,
    rows_per_block: int,
    *,
    multiplies: bool = False,
    prepare_thread: Callable[[], object] | None = None,
    desc: str = "",
    unit: str = "row",
    show_progress: bool = False,
) -> None:
    """Do the work on every block, in as many threads as there are, see `number_of_threads`.

    Parameters
    ----------
    work : callable
        Gets the rows as a slice, and does most of its work without Python's lock; an exception ends it all.
    n_rows, rows_per_block : int
    multiplies : bool
        Whether the work multiplies matrices with BLAS, which then takes one thread each; see also `use_one_core`.
    prepare_thread : callable, optional
        Called first in every thread but the caller's own, by default `use_one_core` where the work multiplies.
    desc, unit : str
        What the progress bar says, and counts.
    show_progress : bool
    """
    _outlive_fork()
    blocks = [slice(start, min(start + rows_per_block, n_rows)) for start in range(0, n_rows, rows_per_block)]
    n_threads = min(number_of_threads(), len(blocks))
    with tqdm(total=n_rows, desc=desc, unit=unit, unit_scale=True, disable=not show_progress) as bar:
        if n_threads <= 1:
            for rows in blocks:
                work(rows)
                bar.update(rows.stop - rows.start)
            return
        limited = _one_blas_thread.held() if multiplies else nullcontext()
        if multiplies and prepare_thread is None:
            prepare_thread = use_one_core
        with limited, ThreadPoolExecutor(n_threads, initializer=prepare_thread) as threads:
            running = {threads.submit(work, rows): rows for rows in blocks}
            try:
                for done in as_completed(running):
                    done.result()
                    bar.update(running[done].stop - running[done].start)
            finally:  # after Ctrl-C only the blocks under way are waited for
                threads.shutdown(cancel_futures=True)


_process: int | None = None  # that has used OpenMP's threads


def _outlive_fork() -> None:
    """Keep a forked child to one thread where its parent has worked with more.

    OpenMP's threads do not come along into the child, which would wait for them without end.
    """
    global _process
    if _process not in (None, os.getpid()):
        torch.set_num_threads(1)
        faiss.omp_set_num_threads(1)
    _process = os.getpid()


class _OneBlasThread:
    """BLAS on one thread for as long as anyone holds it: the limit is the process's, and calls may overlap.

    Of a BLAS on OpenMP it is each thread's own, see `use_one_core`, and what one thread sets no other can take back.
    """

    def __init__(self) -> None:
        self._lock, self._n_holders = threading.Lock(), 0
        self._limits: Any = None  # what threadpoolctl restores the former ones with

    @contextmanager
    def held(self) -> Iterator[None]:
        """Set the limit unless another call has; the last one to leave restores what was before the first."""
        with self._lock:
            self._n_holders += 1
            if self._limits is None:
                _let_any_thread_set_blas()
                self._limits = _shared_blas().limit(limits=1)
        try:
            yield
        finally:
            with self._lock:
                self._n_holders -= 1
                if self._n_holders == 0 and self._limits is not None:
                    _let_any_thread_set_blas()
                    self._limits.restore_original_limits()
                    self._limits = None


_one_blas_thread = _OneBlasThread()


def _shared_blas() -> ThreadpoolController:
    found = ThreadpoolController().select(user_api="blas")
    return found.select(filepath=[each.filepath for each in found.lib_controllers if each.threading_layer != "openmp"])


def _let_any_thread_set_blas() -> None:
    """Let the calling thread set the limit of OpenBLAS, and no other one keep the right to.

    From threadpoolctl 3.8 on the first thread that sets it has that right alone, and others are ignored without a word:
    a limit would not hold in a second thread, or stay for good where the last to leave is not the first that came.
    """
    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


class Spares:
    """Arrays that threads work with one after the other; one more is made where none is free.

    Parameters
    ----------
    make : callable
        Makes an array.
    """

    def __init__(self, make: Callable[[], NDArray[Any]]) -> None:
        self._make = make
        self._free: list[NDArray[Any]] = []

    def take(self) -> NDArray[Any]:
        """Return one that no other thread has, as it was given back."""
        try:  # another thread may take the last one between a look and a grasp
            return self._free.pop()
        except IndexError:
            return self._make()

    def give_back(self, array: NDArray[Any]) -> None:
        """Leave one to others."""
        self._free.append(array)


def use_one_core() -> None:
    """Keep torch's operations within the calling thread to it."""
    torch.get_num_threads()  # sets the thread up, which would else undo what follows
    _openmp().limit(limits=1)


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")
