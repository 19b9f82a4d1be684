"""The temporary server of Prefect, which a flow starts where there is none: it ends with the flow, and not before."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from uuid import uuid4

import psutil

_MARK = "HILANDER_FLOW"
_OF_PREFECT = "PREFECT__SERVER_EPHEMERAL"  # in the environment of a temporary server
_PATIENCE = 10  # seconds that the server has to end by itself
_watches: list[subprocess.Popen[bytes]] = []  # held to the end of the interpreter: their input is what they wait on


def end_server_with_this_process() -> None:
    """Start the temporary server, if one is needed, and a process that ends it where this one leaves it behind.

    Prefect stops its server as the interpreter exits, which a killed one does not. The kernel could send the server a
    signal of its own, but at the end of the thread that started it, which is sooner.
    """
    mark = os.environ[_MARK] = uuid4().hex
    command = [sys.executable, "-m", "hilander.pipeline.temporary_server", mark]
    nothing = subprocess.DEVNULL
    # In a session of its own, which Ctrl-C in the terminal does not reach.
    watch = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing, start_new_session=True)
    _watches.append(watch)
    _start_server_deaf_to_ctrl_c()


def _start_server_deaf_to_ctrl_c() -> None:
    """Start Prefect's server now, while no interrupt reaches what this thread starts.

    Ctrl-C reaches the whole group of processes. A server that ended by it left the flow asking it for minutes to note
    that the run was interrupted.
    """
    from prefect.client.orchestration import get_client

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with contextlib.suppress(Exception):  # the flow tries for itself, and says why it cannot
            get_client(sync_client=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_servers(mark: str) -> None:
    """End the temporary servers that the flow with this mark has started."""
    servers = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get(_MARK) == mark and _OF_PREFECT in environment:
                process.terminate()
                servers.append(process)
        except psutil.Error:  # gone, or another user's
            continue
    for process in psutil.wait_procs(servers, timeout=_PATIENCE)[1]:
        process.kill()


if __name__ == "__main__":
    sys.stdin.read()  # to the end of the pipe, which is the flow's
    end_servers(sys.argv[1])
