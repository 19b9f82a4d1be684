"""A bounded queue before a bounded number of threads: what does not fit is turned away at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from hilander.serving.refusals import overloaded, too_large

T = TypeVar("T")


class Lane:
    """Runs calls in threads of its own.

    Parameters
    ----------
    name : str
        Of its threads.
    max_running : int
        Threads.
    max_waiting : int
        Calls that may wait for one.
    """

    def __init__(self, name: str, max_running: int, max_waiting: int) -> None:
        self.name, self.most, self.taken = name, max_running + max_waiting, 0
        self._threads = ThreadPoolExecutor(max_running, thread_name_prefix=name)

    def check_room(self) -> None:
        """Refuse where there is no place in the queue, before a body is read for it."""
        if self.taken >= self.most:
            raise overloaded(
                f"{self.most} requests are running or waiting already, which is the limit; send it again in a moment"
            )

    async def run(self, call: Callable[[], T], *, most_seconds: float) -> T:
        """Return what `call` returns.

        A call that takes too long is answered with a refusal; its thread stays taken until it ends. One whose caller is
        cancelled before its turn is never made.

        Raises
        ------
        Refusal
            No room, or no answer in time.
        """
        self.check_room()
        self.taken += 1
        loop = asyncio.get_running_loop()
        held = [call]  # the pool keeps what was cancelled until its turn; the body that the call holds goes at once
        came, began = time.monotonic(), math.inf

        def begin() -> T:
            nonlocal began
            began = time.monotonic()
            return held.pop()()

        future = self._threads.submit(begin)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
        try:
            async with asyncio.timeout(most_seconds):
                return await asyncio.shield(_wrapped(future, loop))
        except TimeoutError:
            if future.cancel():
                held.clear()
                raise overloaded(f"no turn came within {most_seconds:g} seconds; send it again in a moment") from None
            if began - came > most_seconds / 2:
                raise overloaded(
                    f"no answer within {most_seconds:g} seconds, most of which went by before the turn came; send it "
                    "again in a moment"
                ) from None
            raise too_large(
                f"no answer within {most_seconds:g} seconds; send fewer rows or images at once, or submit them as "
                "a task to /cluster/submit or /cluster_images/submit"
            ) from None
        except asyncio.CancelledError:
            if future.cancel():
                held.clear()
            raise

    def close(self) -> None:
        """Let running calls end, drop waiting ones."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _leave(self) -> None:
        self.taken -= 1


def _wrapped(future: Future[T], loop: asyncio.AbstractEventLoop) -> asyncio.Future[T]:
    wrapped = asyncio.wrap_future(future, loop=loop)
    wrapped.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting any more
    return wrapped
