"""A connection to a Dask scheduler whose workers can do the work, or a sentence that says what is amiss."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client

_SECONDS_TO_CONNECT = 20
_SECONDS_FOR_A_WORKER = 60
_ADDRESS = re.compile(r"([a-z]+://)?[^/\s]+:\d+|inproc://\S+")  # of distributed


@contextmanager
def connected(scheduler: Client | str) -> Iterator[Client]:
    """Yield a client that has a worker: the given one, or one for that address, closed at the end.

    Parameters
    ----------
    scheduler : distributed.Client or str

    Raises
    ------
    ValueError
        Neither a client nor an address, or a worker has another version of hilander.
    OSError
        No scheduler answers there, it is lost again, or it has no worker within a minute.
    ImportError
        Dask is not installed, or a worker lacks hilander or what it needs.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("dask is not installed; pip install 'hilander[dask]'") from error
    if not isinstance(scheduler, Client | str):
        raise ValueError(
            f"engine must be a distributed.Client or the address of a scheduler, got {type(scheduler).__name__}"
        )
    if isinstance(scheduler, str) and not _ADDRESS.fullmatch(scheduler):
        raise ValueError(f"the address of a scheduler must be like tcp://10.0.0.5:8786, got {scheduler!r}")
    with ExitStack() as stack:
        client = scheduler
        if isinstance(client, str):
            _check_that_it_answers(client)
            client = stack.enter_context(Client(client, timeout=_SECONDS_TO_CONNECT, set_as_default=False))
        address = client.scheduler.address if client.scheduler else "the scheduler"
        try:
            client.wait_for_workers(1, timeout=_SECONDS_FOR_A_WORKER)
            _check_workers(client)
        except TimeoutError as error:
            raise TimeoutError(
                f"no worker came to {address} within {_SECONDS_FOR_A_WORKER} seconds; start some with "
                f"`dask worker {address}`, and see their logs"
            ) from error
        except OSError as error:
            raise ConnectionError(
                f"the scheduler at {address} was lost ({error}); start it again, and do the same call"
            ) from error
        yield client


def _check_that_it_answers(address: str) -> None:
    """Knock before a client is made: one that gets no answer waits for it twice as long again when it is deleted."""
    from distributed.core import connect
    from distributed.security import Security

    async def knock() -> None:
        comm = await connect(address, timeout=_SECONDS_TO_CONNECT, **Security().get_connection_args("client"))
        await comm.close()

    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook's own thread has a loop that runs
            thread.submit(asyncio.run, knock()).result()
    except OSError as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {address} ({error}); start one with `dask scheduler`, or mend the address"
        ) from error
    except ValueError as error:
        if not address.startswith("inproc://"):
            raise
        raise ValueError(
            f"the address {address} is of a scheduler in another process, which none can reach; give the address of "
            "one that was started with `dask scheduler`, such as tcp://10.0.0.5:8786"
        ) from error


def _check_workers(client: Client) -> None:
    """See that the workers have what parts need: one that cannot read what it is sent ends without an answer."""

    def look() -> str:  # within a function, so that its code travels, and no name in a package that may be missing
        import importlib
        from importlib.metadata import version

        importlib.import_module("hilander.distributed.fit")
        return version("hilander")

    ours = version("hilander")
    for worker, found in client.run(look, on_error="return").items():
        if isinstance(found, ImportError):
            raise ImportError(f"the worker {worker} cannot import hilander ({found}); install hilander {ours} there")
        if isinstance(found, str) and found != ours:  # else it has just died, which others make up for
            raise ValueError(f"the worker {worker} has hilander {found}, expected {ours} as here; install that there")
