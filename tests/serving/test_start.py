"""What ``bentoml serve`` makes of the folder that it is started in, from the workspace and as a Bento."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from benchmarks.serving.server import SCRIPTS, wait_until_ready

ROOT = Path(__file__).parents[2]
OWN = "this is the code in the Bento"
BENTOML = str(SCRIPTS / "bentoml")


def environment(home, **own):
    inherited = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    return inherited | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true"} | own


@pytest.mark.parametrize(
    ("text", "workers", "words"),
    [
        ("tasks: {max_running: 0}", "1", "{path}: tasks.max_running must be from 1 to 1,000,000,000,000; got 0"),
        (None, "1", "expected the service's configuration in {path}"),
        ("", "two", "HILANDER_WORKERS must be a whole number from 1, got 'two'"),
    ],
)
def test_a_wrong_configuration_ends_the_command_with_one_line(tmp_path, text, workers, words):
    if text is not None:
        (tmp_path / "mine.yaml").write_text(text)
    ended = subprocess.run(
        [BENTOML, "serve", "hilander.serving.service:HilanderService"],
        cwd=tmp_path,
        env=environment(tmp_path / "bentoml", HILANDER_SERVING_CONFIG="mine.yaml", HILANDER_WORKERS=workers),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode != 0
    assert words.format(path=tmp_path / "mine.yaml") in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


@pytest.fixture
def folder(tmp_path, make):
    """A folder to start the command in, which names all others relative to itself."""
    make.release(tmp_path / "releases")
    path = make.configuration(
        tmp_path,
        models="releases",
        tasks={"folder": "tasks"},
        capture={"url": "captured", "max_seconds_per_part": 0.2},
        security={"open_on_loopback": True},
    )
    path.rename(tmp_path / "mine.yaml")
    return tmp_path


def files_below(folder):
    return {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_a_bento_takes_relative_paths_from_where_it_is_started_and_writes_nothing_into_itself(folder, make):
    home = folder / "bentoml"
    with (folder / "log").open("w") as log:
        build = [BENTOML, "build", "-f", "bentofile.yaml", "src"]
        subprocess.run(build, cwd=ROOT, env=environment(home), stdout=log, stderr=log, check=True)
        (code,) = (home / "bentos").glob("*/*/src/hilander/serving/gate.py")
        code.write_text(code.read_text() + f"\nprint({OWN!r})\n")
        built = files_below(home / "bentos")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [BENTOML, "serve", "hilander-service:latest", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=environment(home, HILANDER_SERVING_CONFIG="mine.yaml"),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, server)
        rows = {"embeddings": make.blobs(9).astype(float).tolist()}
        assert httpx.post(f"{url}/cluster", json=rows, timeout=60).status_code == 200
        submitted = httpx.post(f"{url}/cluster/submit", json=rows, timeout=60)
        assert submitted.status_code == 202
        httpx.put(url + submitted.json()["links"]["cancel"], timeout=60)  # it would outlive the service
        deadline = time.monotonic() + 30
        while not list((folder / "captured").rglob("*.parquet")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
    assert len(list((folder / "tasks").glob("*/request.json"))) == 1
    assert built
    assert OWN in (folder / "log").read_text()  # and not that of the package which is installed here as well
    assert files_below(home / "bentos") == built
