"""The server that a flow starts for itself where there is none."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

FLOWS = Path(__file__).parents[2] / "flows"


@pytest.mark.parametrize("signal_name", ["kill", "terminate"])
def test_it_ends_with_a_flow_that_is_killed(tmp_path, signal_name):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    flow = subprocess.Popen(
        [sys.executable, str(FLOWS / "monitor.py")],
        cwd=tmp_path,
        env=clean | {"PREFECT_HOME": str(tmp_path / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    servers = []
    try:
        servers.append(wait_for_server(psutil.Process(flow.pid)))
        getattr(flow, signal_name)()
        flow.wait()
        assert psutil.wait_procs(servers, timeout=30)[1] == []
    finally:
        flow.kill()
        flow.wait()
        for server in servers:
            with contextlib.suppress(psutil.NoSuchProcess):
                server.kill()


INTERRUPTED = """\
import signal
import time

from prefect import flow

from hilander.pipeline.temporary_server import end_server_with_this_process

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background commands ignore


@flow
def waits():
    print("it waits", flush=True)
    time.sleep(600)


end_server_with_this_process()
waits()
"""


def test_ctrl_c_ends_the_flow_first_which_can_say_so_to_its_server(tmp_path):
    (tmp_path / "waits.py").write_text(INTERRUPTED)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    flow = subprocess.Popen(
        [sys.executable, "waits.py"],
        cwd=tmp_path,
        env=clean | {"PREFECT_HOME": str(tmp_path / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        while "it waits" not in (line := flow.stdout.readline()):
            assert line, "the flow ended before it waited"
        server = wait_for_server(psutil.Process(flow.pid))
        os.killpg(flow.pid, signal.SIGINT)
        told, _ = flow.communicate(timeout=90)  # a server that is gone is asked again for longer
        assert "Finished in state Crashed" in told
        assert psutil.wait_procs([server], timeout=30)[1] == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(flow.pid, signal.SIGKILL)
        flow.wait()


def wait_for_server(flow, seconds=120):
    for _ in range(seconds * 20):
        for child in flow.children():
            if "uvicorn" in child.cmdline():
                return child
        time.sleep(0.05)
    raise AssertionError("no temporary server was started")
