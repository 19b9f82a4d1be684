"""`make deploy` again, and on another port."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

FLOWS = Path(__file__).parents[2] / "flows"


@pytest.fixture
def deploy():
    spec = importlib.util.spec_from_file_location("flows_deploy", FLOWS / "deploy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_up_again_starts_and_makes_nothing_twice(server, workspace):
    started = (workspace.folder / ".prefect/started.json").read_text()
    server.up()
    assert (workspace.folder / ".prefect/started.json").read_text() == started
    assert [entry["name"] for entry in server.api("automations/filter")] == ["mark killed runs as crashed"]
    deployments = server.api("deployments/filter")
    assert sorted(entry["entrypoint"] for entry in deployments) == [
        "flows/cluster.py:cluster", "flows/monitor.py:monitor", "flows/train.py:train",
    ]  # fmt: skip
    assert sum(len(entry["schedules"]) for entry in deployments) == 1


def test_a_second_server_is_refused_since_down_would_stop_only_that_one(server, workspace):
    started = (workspace.folder / ".prefect/started.json").read_text()
    result = workspace.run("python", "flows/deploy.py", "up", "--port", str(server.port + 1))
    assert result.returncode == 1
    assert f"found one on another port (process {json.loads(started)['server']['pid']})" in result.both
    assert (workspace.folder / ".prefect/started.json").read_text() == started


def test_another_folder_s_server_is_not_taken_over(server, workspace, tmp_path):
    """Its `train/local` would run here from then on, and its hourly `monitor/local` as well."""
    shutil.copy(workspace.folder / "prefect.yaml", tmp_path)
    result = subprocess.run(
        [sys.executable, str(FLOWS / "deploy.py"), "up", "--port", str(server.port)],
        cwd=tmp_path, env=workspace.environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 1
    assert f"found that of {workspace.folder}, whose deployments ours would replace" in result.stderr
    for deployment in server.api("deployments/filter"):
        step = {"prefect.deployments.steps.set_working_directory": {"directory": str(workspace.folder)}}
        assert deployment["pull_steps"] == [step]


def test_what_speaks_no_http_is_no_server(deploy):
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer():
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        threading.Thread(target=answer, daemon=True).start()
        assert not deploy._is_healthy(f"http://127.0.0.1:{other.getsockname()[1]}/api")


@pytest.mark.parametrize(
    ("command", "content"), [("up", ""), ("down", '{"server": {"pid": 1'), ("down", '{"server": 3}')]
)
def test_a_damaged_record_of_what_was_started_is_an_error_that_says_what_to_do(tmp_path, command, content):
    (tmp_path / "prefect.yaml").touch()
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect/started.json").write_text(content)
    result = subprocess.run(
        [sys.executable, str(FLOWS / "deploy.py"), command], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr.startswith("deploy: expected the processes that `up` has started in .prefect/started.json")
    assert "then delete .prefect/started.json" in result.stderr
    assert (tmp_path / ".prefect/started.json").read_text() == content


def test_down_after_an_interrupted_up_forgets_what_it_started(tmp_path):
    """The server had been started, but its address not been set yet."""
    shutil.copy(FLOWS.parent / "prefect.toml", tmp_path)
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect/started.json").write_text('{"server": {"pid": 1, "created": 1.0}}')
    for _ in range(2):
        result = subprocess.run(
            [sys.executable, str(FLOWS / "deploy.py"), "down"],
            cwd=tmp_path, env=os.environ | {"COLUMNS": "20"}, capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    assert not (tmp_path / ".prefect/started.json").exists()


def test_what_is_started_heeds_ctrl_c_though_a_shell_s_background_does_not(tmp_path):
    """Prefect stops its own processes by it: `down` would leave them running."""
    (tmp_path / ".prefect").mkdir()
    start = (
        "import json, runpy, signal, sys\n"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN\n"
        "runpy.run_path(sys.argv[1])['_start']('worker', 'worker', '--help')\n"
        "pid = json.load(open('.prefect/started.json'))['worker']['pid']\n"
        "print(open(f'/proc/{pid}/status').read())\n"
    )
    result = subprocess.run(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", start, str(FLOWS / "deploy.py")],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    ignored = next(line for line in result.stdout.splitlines() if line.startswith("SigIgn:"))
    assert not int(ignored.split()[1], 16) & 1 << signal.SIGINT - 1
