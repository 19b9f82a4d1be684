"""``bentoml serve`` itself: its workers, its own client, and schemathesis against its description."""

import json
import time

import bentoml
import httpx
import numpy as np
import pytest
from _bentoml_impl.client.task import Task

from benchmarks.serving.server import fuzz, serve
from hilander.estimator import HiLander


@pytest.fixture(scope="module")
def url(tmp_path_factory, make):
    """A real server of one worker, on a port of its own, open to this machine."""
    folder = tmp_path_factory.mktemp("served")
    make.release(folder / "models")
    path = make.configuration(folder, security={"open_on_loopback": True})
    with serve(path) as url:
        yield url


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


def test_bentomls_client_sends_images_with_all_options(url, make, tmp_path):
    paths = [tmp_path / f"{ink}.png" for ink in (2, 5, 8, 11)]
    for path in paths:
        path.write_bytes(make.png(ink=int(path.stem)))
    options = {"granularity": 1.5, "linkage_threshold": "adapted", "outliers": "label", "must_link": [[0, 3]]}
    files = [("images", (path.name, path.read_bytes())) for path in paths]
    text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in options.items()}
    with bentoml.SyncHTTPClient(url) as client:
        assert client.encode(images=paths)["ids"] == [path.name for path in paths]
        answer = client.cluster_images(images=paths, **options)
    assert answer == httpx.post(f"{url}/cluster_images", files=files, data=text, timeout=30).json()
    assert answer["labels"][0] == answer["labels"][3]


def test_the_description_holds_under_schemathesis(url):
    """No 5xx, no other status, type or shape than described, no hang."""
    options = ["--seed", "1", "--request-timeout", "20", "--max-response-time", "20", "--no-color"]
    assert fuzz(url, 8, *options, timeout=200) == 0  # what it found is in the captured output


def test_the_metrics_count_what_was_captured_and_keep_no_label_for_unknown_paths(url, make):
    httpx.post(f"{url}/assign", json={"embeddings": np.eye(make.width).tolist()}, timeout=30)
    for below in ("", "/static_content"):
        assert httpx.get(f"{url}{below}/nowhere/{time.time()}", timeout=30).status_code == 404
    metrics = httpx.get(f"{url}/metrics", timeout=30).text
    assert "nowhere" not in metrics
    assert "hilander_capture{" in metrics
    assert 'endpoint="/assign"' in metrics
