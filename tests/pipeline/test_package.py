"""What the stages have made becomes a release that says where it came from."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hilander.encoder.identity_encoder import IdentityEncoder
from hilander.estimator import HiLander
from hilander.pipeline.package import package
from hilander.releases import put_into_service, release_in_service
from tests.pipeline.conftest import Workspace


@pytest.fixture(scope="module")
def finished_template(template, tmp_path_factory):
    """A workspace whose stages have run, made once: `finished` is a copy of it."""
    workspace = Workspace(Path(shutil.copytree(template, tmp_path_factory.mktemp("finished") / "workspace")))
    artifacts = workspace.folder / "artifacts"
    workspace.run("dvc", "repro", "build_graph")  # reads the data
    HiLander().save(artifacts / "lander/hilander")
    IdentityEncoder(3).save(artifacts / "encoder")
    for n, split in ((6, "train"), (4, "test")):
        folder = artifacts / "embeddings" / split
        folder.mkdir(parents=True)
        np.save(folder / "embeddings.npy", np.eye(3, dtype=np.float32)[np.arange(n) % 3])
        ids = [f"{split} {i}" for i in range(n)]
        pd.DataFrame({"id": ids, "label": np.arange(n) % 3}).to_parquet(folder / "items.parquet")
    clusters = artifacts / "clusters/test.parquet"
    clusters.parent.mkdir()
    pd.DataFrame({"id": ids, "cluster": 0, "probability": 1.0, "other": 1}).to_parquet(clusters)
    figures = {"hilander": {"f_pairwise": 0.9, "f_bcubed": 0.8}, "kmeans": {"f_pairwise": 0.1}}
    workspace.write("reports/metrics.json", json.dumps(figures))
    return workspace.folder


@pytest.fixture
def finished(finished_template, tmp_path):
    """Of one test."""
    return Workspace(Path(shutil.copytree(finished_template, tmp_path / "workspace")))


def test_a_release_holds_the_model_its_data_and_where_it_came_from(finished):
    models = finished.folder / "models"
    release = package(finished.folder, models, "run-1")
    assert release == release_in_service(models) == package(finished.folder, models, "run-2")
    assert release.metrics == {"f_pairwise": 0.9, "f_bcubed": 0.8}
    assert list(release.reference().table["id"]) == [f"train {i}" for i in range(6)]
    assert list(release.catalogue().table) == ["id", "cluster", "probability"]
    assert release.catalogue().embeddings.shape == (4, 3)
    provenance = release.provenance
    assert provenance["commit"] == finished.run("git", "rev-parse", "HEAD").strip()
    assert provenance["experiment"] == "run-1"
    assert f"md5: {provenance['data']}" in finished.read("data.dvc")
    assert provenance["params"]["encoder"]["epochs"] == 3


def test_a_release_names_the_data_that_were_read_and_not_those_on_record(finished):
    finished.write("data", "changed\n")
    finished.run("dvc", "repro", "build_graph")
    provenance = package(finished.folder, finished.folder / "models").provenance
    assert provenance["data"] == hashlib.md5(b"changed\n").hexdigest()


def test_a_release_names_its_data_where_their_path_is_written_in_full(finished):
    finished.write("params.yaml", finished.read("params.yaml") + f"data: {{path: '{finished.folder / 'data'}'}}\n")
    provenance = package(finished.folder, finished.folder / "models").provenance
    assert f"md5: {provenance['data']}" in finished.read("data.dvc")


def test_a_workspace_without_git_has_a_release_that_names_no_commit(finished, monkeypatch):
    heard = []
    shutil.rmtree(finished.folder / ".git")
    assert package(finished.folder, finished.folder / "models", say=heard.append).provenance["commit"] is None
    monkeypatch.setenv("PATH", str(finished.folder))  # where no git is
    assert package(finished.folder, finished.folder / "others", say=heard.append).provenance["commit"] is None
    assert heard == []


def test_a_commit_that_git_does_not_tell_is_missed(finished, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as root in a container on somebody's folder
    heard = []
    assert package(finished.folder, finished.folder / "models", say=heard.append).provenance["commit"] is None
    [told] = heard
    assert "names no commit" in told
    assert "safe.directory" in told


def test_the_same_stages_do_not_bring_back_what_was_taken_out_of_service(finished):
    models, encoder = finished.folder / "models", finished.folder / "artifacts/encoder"
    first = package(finished.folder, models)
    (encoder / "note.txt").write_text("another")
    rejected = package(finished.folder, models)
    put_into_service(models, first.version)
    said = []
    assert package(finished.folder, models, say=said.append) == first
    assert f"this model is version {rejected.version}, which was taken out of service" in said[0]


@pytest.mark.parametrize("name", ["artifacts/clusters/test.parquet", "reports/metrics.json"])
def test_a_stage_that_has_not_run_is_an_error_and_nothing_is_put_into_service(finished, name):
    (finished.folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name}, found nothing there; run the stages first: dvc repro"):
        package(finished.folder, finished.folder / "models")
    assert not (finished.folder / "models").exists()
