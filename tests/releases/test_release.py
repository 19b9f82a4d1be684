"""A release holds what was put in, and shows when it was altered."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from hilander.releases import ReleaseError, release_in_service, versions_of_same_encoder
from tests.releases.conftest import items, publish


def test_what_is_read_is_what_was_published(models):
    release = release_in_service(models)
    assert release.folder == models.resolve() / "versions" / release.version
    assert release.metrics == {"f_pairwise": 0.8}
    assert release.provenance["commit"] == "abc"
    for found, given in (
        (release.reference(), items(0, label=list("aabbccddeeff"))),
        (release.catalogue(), items(100, cluster=range(12), probability=0.5)),
    ):
        np.testing.assert_allclose(found.embeddings, given.embeddings, atol=1e-6)
        pd.testing.assert_frame_equal(found.table, given.table, check_dtype=False)
    assert release.encoder("cpu").embedding_size == 4
    labels = release.clusterer("cpu", n_neighbors=3).fit_predict(release.catalogue().embeddings)
    assert labels.shape == (12,)


def test_no_release_is_an_error_that_says_what_makes_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a release in .*`python flows/train\.py` makes one"):
        release_in_service(tmp_path)


@pytest.mark.parametrize("name", ["lander/config.json", "encoder/config.json", "reference/embeddings.npy"])
def test_an_altered_or_missing_file_is_named(models, name):
    path = release_in_service(models).folder / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ReleaseError, match=f"{name} is missing or was altered; publish the release again"):
        release_in_service(models)
    path.unlink()
    with pytest.raises(ReleaseError, match=f"{name} is missing"):
        release_in_service(models)


@pytest.mark.parametrize(
    "change",
    [{"format": "other/1"}, {"files": []}, {"files": 3}, {"files": None}, "{", "[]", "{}", b"\xff"],
)
def test_a_damaged_manifest_is_refused(models, change):
    path = release_in_service(models).folder / "release.json"
    if isinstance(change, dict):
        change = json.dumps(json.loads(path.read_text()) | change)
    path.write_bytes(change if isinstance(change, bytes) else change.encode())
    with pytest.raises(ReleaseError, match=r"release\.json"):
        release_in_service(models)


def test_a_moved_folder_of_releases_goes_on_working(models, tmp_path):
    version = release_in_service(models).version
    shutil.move(models, tmp_path / "elsewhere")
    assert release_in_service(tmp_path / "elsewhere").version == version


def test_versions_of_one_encoder_are_told_from_those_of_another(parts, models, tmp_path):
    first = release_in_service(models)
    same = publish(parts, models, seed=1)
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "config.json").write_text("another")
    other = publish(parts, models, encoder=tmp_path / "encoder")
    (models / "versions" / "broken").mkdir()
    (models / "versions" / "broken" / "release.json").write_text("{")
    assert versions_of_same_encoder(models, same) == sorted([first.version, same.version])
    assert versions_of_same_encoder(models, other) == [other.version]
