"""The release in service changes while requests go on."""

import dataclasses
import json
import shutil
import time

import pytest
from starlette.responses import JSONResponse

from hilander.releases import put_into_service
from hilander.serving.answers import model_answer
from hilander.serving.model_in_service import LoadedRelease, ModelInService
from hilander.serving.refusals import Refusal


@pytest.fixture
def models(tmp_path, make):
    make.release(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def in_service(models):
    model = ModelInService(models, 0.05)
    model.start()
    yield model
    model.close()


def wait_until(is_so, seconds=20):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_new_release_is_taken_over_and_an_old_one_again(in_service, models, make):
    old = in_service.current()
    new = make.release(models, seed=1)
    wait_until(lambda: in_service.current().version == new.version)
    assert old.assign(make.blobs(2)).labels.shape == (2,)  # a request that began with it goes on
    put_into_service(models, old.version)
    wait_until(lambda: in_service.current().version == old.version)


def test_a_copy_of_a_release_is_taken_over_where_it_replaces_another_copy(models, make, tmp_path):
    """As tools leave it that follow links, and mounts that know none."""
    old, new = make.release(models), make.release(models, seed=1)
    copy = tmp_path / "copies" / "in_service"
    shutil.copytree(old.folder, copy)
    model = ModelInService(copy.parent, 0.05)
    model.start()
    try:
        assert model.current().version == old.version
        shutil.rmtree(copy)
        shutil.copytree(new.folder, copy)
        wait_until(lambda: model.current().version == new.version)
    finally:
        model.close()


def test_a_link_that_leads_nowhere_but_to_itself_ends_nothing(in_service, models, make, tmp_path):
    old, new = in_service.current(), make.release(tmp_path / "later", seed=1)
    shutil.copytree(new.folder, models / "versions" / new.version)
    link = models / "in_service"
    link.unlink()
    link.symlink_to("in_service")
    wait_until(lambda: in_service.failure is not None)
    assert str(models) not in in_service.failure
    assert in_service.current() is old
    make.move_link(models, new.version)
    wait_until(lambda: in_service.current().version == new.version)
    assert in_service.failure is None


def test_an_altered_release_is_refused_and_the_old_one_goes_on(in_service, models, make, caplog):
    old = in_service.current().version
    new = make.release(models, seed=1)
    wait_until(lambda: in_service.current().version == new.version)
    put_into_service(models, old)
    wait_until(lambda: in_service.current().version == old)
    weights = models / "versions" / new.version / "lander" / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    make.move_link(models, new.version)
    wait_until(lambda: in_service.failure is not None)
    assert in_service.failure == "model.safetensors is missing or was altered; publish the release again"
    assert str(weights) in caplog.text
    assert in_service.current().version == old


def test_a_service_without_a_release_waits_for_one(tmp_path, make):
    model = ModelInService(tmp_path / "models", 0.05)
    model.start()
    try:
        assert not model.is_ready
        with pytest.raises(Refusal, match="no model is in service yet: expected a release") as refused:
            model.current()
        assert refused.value.status == 503
        assert str(tmp_path) not in refused.value.sentence
        make.release(tmp_path / "models")
        wait_until(lambda: model.is_ready)
        shutil.rmtree(tmp_path / "models")  # what is loaded needs no file
        assert model.current().cluster(make.blobs(9), {}).labels_.shape == (9,)
    finally:
        model.close()


def test_a_release_that_could_not_be_loaded_is_tried_again(in_service, models, make, monkeypatch):
    old = in_service.current().version
    load, tries = LoadedRelease.load, []

    def fails_twice(folder):
        tries.append(1)
        if len(tries) < 3:
            raise MemoryError("not now")
        return load(folder)

    monkeypatch.setattr(LoadedRelease, "load", fails_twice)
    new = make.release(models, seed=1)
    wait_until(lambda: in_service.failure == "not now")
    assert in_service.current().version == old
    wait_until(lambda: in_service.current().version == new.version)
    assert in_service.failure is None
    assert len(tries) == 3


def test_a_figure_that_could_not_be_measured_is_told_as_null(make, tmp_path):
    release = dataclasses.replace(
        make.release(tmp_path / "models"),
        metrics={"f_pairwise": 0.8, "held_out_one_nn": float("nan")},
        provenance={"sizes": [1, float("inf")]},
    )
    answer = json.loads(JSONResponse(model_answer(release, None)).body)
    assert answer["metrics"] == {"f_pairwise": 0.8, "held_out_one_nn": None}
    assert answer["provenance"] == {"sizes": [1, None]}
