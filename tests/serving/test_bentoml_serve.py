"""``bentoml serve`` itself: its workers, its own client, and schemathesis against its description."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import bentoml
import httpx
import numpy as np
import pytest
from _bentoml_impl.client.task import Task

from hilander.estimator import HiLander

SCRIPTS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def url(tmp_path_factory, make):
    """A real server of one worker, on a port of its own, open to this machine."""
    folder = tmp_path_factory.mktemp("served")
    make.release(folder / "models")
    path = make.configuration(folder, security={"open_on_loopback": True})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    log = (folder / "log").open("w")
    server = subprocess.Popen(
        [str(SCRIPTS / "bentoml"), "serve", "hilander.serving.service:HilanderService", "--port", str(port),
         "--host", "127.0.0.1"],
        env={**environment, "HILANDER_SERVING_CONFIG": str(path), "BENTOML_HOME": str(folder / "bentoml")},
        stdout=log, stderr=log, cwd=folder, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.3)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def test_bentomls_client_gets_the_librarys_labels_also_by_task(url, make):
    rows = make.blobs(30, seed=8)
    with bentoml.SyncHTTPClient(url) as client:
        answer = client.cluster(embeddings=rows.tolist())
        assert answer["labels"] == HiLander().fit_predict(rows).tolist()
        assert len(client.assign(embeddings=rows.tolist())["clusters"]) == 30

        # client.cluster.submit itself fails in BentoML 1.4.39, of any service, once the task is submitted.
        task_id = client.request("POST", "/cluster/submit", json={"embeddings": rows.tolist()}).json()["task_id"]
        task = Task(task_id, client.endpoints["cluster"], client)
        assert task.get_status().value in ("in_progress", "completed")
        task.cancel()
        assert task.get_status().value in ("canceled", "completed")


def test_the_description_holds_under_schemathesis(url, tmp_path):
    """No 5xx, no other status, type or shape than described, no hang."""
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    run = subprocess.run(
        [str(SCRIPTS / "schemathesis"), "run", f"{url}/docs.json", "--checks", checks, "--max-examples", "8",
         "--phases", "examples,fuzzing", "--seed", "1", "--request-timeout", "20", "--max-response-time", "20",
         "--exclude-path", "/cluster/submit", "--no-color"],
        capture_output=True, text=True, timeout=200, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]


def test_the_metrics_count_what_was_captured_and_keep_no_label_for_unknown_paths(url, make):
    httpx.post(f"{url}/assign", json={"embeddings": np.eye(make.width).tolist()}, timeout=30)
    httpx.get(f"{url}/nowhere/{time.time()}", timeout=30)
    metrics = httpx.get(f"{url}/metrics", timeout=30).text
    assert "nowhere" not in metrics
    assert "hilander_capture{" in metrics
    assert 'endpoint="/assign"' in metrics
