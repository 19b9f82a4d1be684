"""The server that a flow starts for itself where there is none."""

import contextlib
import os
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


def wait_for_server(flow, seconds=120):
    for _ in range(seconds * 20):
        for child in flow.children():
            if "uvicorn" in child.cmdline():
                return child
        time.sleep(0.05)
    raise AssertionError("no temporary server was started")
