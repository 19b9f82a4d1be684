"""What callers are told when the service itself is at fault, and what only its log is."""

import time

import pytest
from starlette.testclient import TestClient

from hilander.estimator import HiLander
from hilander.releases import put_into_service
from hilander.serving import endpoints
from hilander.serving.app import make_app


def fail(*arguments, **options):
    raise RuntimeError("secret of /srv/inside")


@pytest.mark.parametrize(
    ("method", "path", "owner", "name"),
    [
        ("POST", "/cluster", HiLander, "fit"),  # in a thread
        ("GET", "/model", endpoints, "model_answer"),  # in the event loop
    ],
)
def test_whatever_breaks_callers_get_one_sentence_and_the_log_the_rest(
    client, monkeypatch, caplog, method, path, owner, name
):
    monkeypatch.setattr(owner, name, fail)
    answer = client.request(method, path, json={"embeddings": [[1.0] * 8] * 3} if method == "POST" else None)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert set(answer.json()) == {"error"}
    assert "log" in answer.json()["error"]
    assert "secret" not in answer.text
    assert f"{method} {path} failed" in caplog.text
    assert "secret of /srv/inside" in caplog.text


@pytest.fixture
def serve(tmp_path, make, monkeypatch):
    """Start an application of its own on this folder."""
    monkeypatch.setenv("HILANDER_SERVING_CONFIG", str(make.configuration(tmp_path)))
    return lambda: TestClient(make_app(), raise_server_exceptions=False)


def test_without_a_release_callers_learn_what_to_do_and_no_folder(serve, tmp_path):
    with serve() as client:
        for answer in (client.post("/cluster", json={}), client.get("/model")):
            assert answer.status_code == 503
            assert "expected a release in in_service" in answer.json()["error"]
            assert str(tmp_path) not in answer.text


def test_a_broken_newer_release_is_reported_without_its_folder(serve, tmp_path, make):
    old, new = make.release(tmp_path / "models"), make.release(tmp_path / "models", seed=1)
    put_into_service(tmp_path / "models", old.version)
    (new.folder / "lander" / "config.json").write_text("{}")
    with serve() as client:
        make.move_link(tmp_path / "models", new.version)
        deadline = time.monotonic() + 20
        while (model := client.get("/model").json())["newer_release_refused"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert model["version"] == old.version
    assert model["newer_release_refused"] == "config.json is missing or was altered; publish the release again"
