"""A release holds what was put in, is changed as a whole or not at all, and shows when it was altered."""

import json
import resource
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hilander.atomic_write import DiskFullError
from hilander.embeddings import check_embeddings
from hilander.encoder.identity_encoder import IdentityEncoder
from hilander.estimator import HiLander
from hilander.releases import (
    Items,
    ReleaseError,
    publish_release,
    put_into_service,
    release_in_service,
    versions_of_same_encoder,
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    HiLander().save(folder / "lander")
    IdentityEncoder(4).save(folder / "encoder")
    return folder


def items(seed, **columns):
    embeddings = check_embeddings(np.random.default_rng(seed).normal(size=(12, 4)).astype(np.float32))
    return Items(embeddings, pd.DataFrame({"id": [f"item {i}" for i in range(12)], **columns}))


def publish(parts, models, seed=0, **changes):
    content = {
        "lander": parts / "lander",
        "encoder": parts / "encoder",
        "reference": items(seed, label=list("aabbccddeeff")),
        "catalogue": items(seed + 100, cluster=range(12), probability=0.5),
        "metrics": {"f_pairwise": 0.8},
        "provenance": {"commit": "abc", "params": {"n_neighbors": (10, 5)}},
    }
    return publish_release(models, **content | changes)


@pytest.fixture
def models(parts, tmp_path):
    publish(parts, tmp_path / "models")
    return tmp_path / "models"


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


def test_the_same_content_is_the_same_version(parts, models):
    first = release_in_service(models)
    assert publish(parts, models) == first
    assert [path.name for path in (models / "versions").iterdir()] == [first.version]
    assert publish(parts, models, seed=1).version != first.version


def test_an_earlier_version_is_put_back_into_service(parts, models):
    first = release_in_service(models)
    second = publish(parts, models, seed=1)
    assert release_in_service(models) == second
    put_into_service(models, first.version)
    assert release_in_service(models) == first


def test_a_release_that_was_taken_back_stays_out_until_the_model_changes_or_is_asked_for(parts, models):
    first, second, said = release_in_service(models), publish(parts, models, seed=1), []
    put_into_service(models, first.version)
    assert publish(parts, models, seed=1, say=said.append) == first  # what a run with nothing to do makes
    assert len(said) == 1
    assert f"this model is version {second.version}, which was taken out of service: {first.version} stays" in said[0]
    shutil.rmtree(second.folder)  # its files are not what keeps it out
    assert publish(parts, models, seed=1, say=said.append) == first
    third = publish(parts, models, seed=2)
    assert release_in_service(models) == third
    assert publish(parts, models).files == first.files  # replaced by a training, and by nobody's hand
    assert publish(parts, models, seed=1, say=said.append).files == first.files
    (models / "withdrawn.txt").write_text("")
    assert publish(parts, models, seed=1).files == second.files


def move_by_hand(models, version):
    subprocess.run(["ln", "-sfn", f"versions/{version}", str(models / "in_service")], check=True)


def test_a_release_that_was_taken_back_by_moving_the_link_stays_out_as_well(parts, models):
    first, second, said = release_in_service(models), publish(parts, models, seed=1), []
    move_by_hand(models, first.version)
    for _ in range(2):
        assert publish(parts, models, seed=1, say=said.append) == first
    assert f"this model is version {second.version}, which was taken out of service: {first.version} stays" in said[1]
    third = publish(parts, models, seed=2)
    assert release_in_service(models) == third
    assert publish(parts, models, seed=1, say=said.append) == third
    (models / "withdrawn.txt").write_text("")
    assert publish(parts, models, seed=1).files == second.files


def test_a_release_put_back_by_moving_the_link_counts_as_any_other(parts, models):
    first, second = release_in_service(models), publish(parts, models, seed=1)
    put_into_service(models, first.version)
    move_by_hand(models, second.version)
    publish(parts, models, seed=2)
    assert publish(parts, models, seed=1).files == second.files
    assert publish(parts, models, say=lambda sentence: None).files == second.files


def test_who_moves_the_link_from_a_damaged_release_may_have_it_made_again(parts, models):
    first, second = release_in_service(models), publish(parts, models, seed=1)
    (second.folder / "lander/config.json").write_text("{}")
    move_by_hand(models, first.version)
    time.sleep(1)  # else its name is that of the damaged one
    assert publish(parts, models, seed=1).files == second.files


@pytest.mark.parametrize("n_moves", [0, 1])
def test_a_publication_killed_about_the_move_is_taken_for_no_hand(parts, models, n_moves):
    first, killed = release_in_service(models), publish(parts, models, seed=1)
    if n_moves == 0:
        put_into_service(models, first.version)
        (models / "withdrawn.txt").unlink()
    (models / "put_last.txt").write_text(f"{first.version}\n{killed.version}\n")
    assert publish(parts, models, seed=1).files == killed.files
    assert publish(parts, models).files == first.files


def test_a_release_put_back_by_name_counts_as_any_other(parts, models):
    first, second = release_in_service(models), publish(parts, models, seed=1)
    put_into_service(models, first.version)
    put_into_service(models, second.version)
    publish(parts, models, seed=2)
    assert publish(parts, models, seed=1).files == second.files
    assert publish(parts, models, say=lambda sentence: None).files == second.files  # which now is the one taken out


def test_a_damaged_release_that_was_replaced_may_be_made_again(parts, models):
    first, second = release_in_service(models), publish(parts, models, seed=1)
    (second.folder / "lander/config.json").write_text("{}")
    put_into_service(models, first.version)
    time.sleep(1)  # else its name is that of the damaged one
    assert publish(parts, models, seed=1).files == second.files


def test_a_damaged_version_is_not_put_back_into_service(parts, models):
    first, second = release_in_service(models), publish(parts, models, seed=1)
    (first.folder / "lander/config.json").unlink()
    with pytest.raises(ReleaseError, match=r"lander/config\.json is missing or was altered"):
        put_into_service(models, first.version)
    assert release_in_service(models) == second


def test_a_copy_that_followed_the_link_is_an_error_that_says_so(models, tmp_path):
    copy = Path(shutil.copytree(models, tmp_path / "copy"))
    version = release_in_service(copy).version
    with pytest.raises(ReleaseError, match=f"to be a link to a version.*then put {version} into service"):
        put_into_service(copy, version)
    assert sorted(path.name for path in copy.iterdir()) == ["in_service", "put_last.txt", "versions"]


@pytest.mark.parametrize("place", ["../versions/", "./", "{models}/versions/"])
def test_a_version_is_a_name_and_no_path(models, place):
    version = release_in_service(models).version
    with pytest.raises(FileNotFoundError, match="no version"):
        put_into_service(models, place.format(models=models) + version)


def test_an_unknown_version_is_an_error_that_lists_the_known(models, tmp_path):
    known = release_in_service(models).version
    with pytest.raises(FileNotFoundError, match=f"no version 'x' in .*; known: {known}"):
        put_into_service(models, "x")
    assert release_in_service(models).version == known
    with pytest.raises(FileNotFoundError, match="known: none"):
        put_into_service(tmp_path, "x")


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


def test_publishing_again_replaces_a_release_that_was_damaged(parts, models):
    """The message of the error asks for it; it once failed on the very same error."""
    damaged = release_in_service(models)
    (damaged.folder / "lander/config.json").write_text("{}")
    assert publish(parts, models, seed=1) == release_in_service(models)


def test_a_publication_that_fails_leaves_all_as_it_was(parts, models, tmp_path):
    before = contents(models)
    for changes in ({"encoder": tmp_path / "absent"}, {"provenance": {"commit": object()}}):
        with pytest.raises((FileNotFoundError, TypeError)):
            publish(parts, models, seed=1, **changes)
        assert contents(models) == before
        assert sorted(path.name for path in models.iterdir()) == ["in_service", "put_last.txt", "versions"]


def test_a_move_that_the_disk_has_no_room_to_note_leaves_nothing_behind(models):
    before, release = sorted(path.name for path in models.iterdir()), release_in_service(models)
    with no_room(), pytest.raises(DiskFullError, match=r"put_last\.txt could not be written"):
        put_into_service(models, release.version)
    assert sorted(path.name for path in models.iterdir()) == before
    assert release_in_service(models) == release


@contextmanager
def no_room():
    """No file may hold a byte, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_moved_folder_of_releases_goes_on_working(models, tmp_path):
    version = release_in_service(models).version
    shutil.move(models, tmp_path / "elsewhere")
    assert release_in_service(tmp_path / "elsewhere").version == version


def test_readers_see_one_whole_release_while_the_service_moves(parts, models):
    versions = [release_in_service(models).version, publish(parts, models, seed=1).version]
    expected = {version: version_items(models, version) for version in versions}
    seen, faults, stop = set(), [], threading.Event()

    def read():
        try:
            while not stop.is_set():
                release = release_in_service(models)
                assert np.array_equal(release.reference().embeddings, expected[release.version])
                seen.add(release.version)
        except Exception as error:
            faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for move in range(2000):
        put_into_service(models, versions[move % 2])
        if move > 200 and len(seen) == 2:
            break
    stop.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert seen == set(versions)


def version_items(models, version):
    put_into_service(models, version)
    return release_in_service(models).reference().embeddings


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


def test_what_a_killed_publication_left_is_removed_by_the_next_but_not_of_one_that_goes_on(parts, models):
    hold = (
        "import sys, time\n"
        "from hilander.releases import publish\n"
        "def write(folder, items):\n"  # where the first table would be written
        "    print(folder.parent.parent, flush=True)\n"
        "    time.sleep(60)\n"
        "publish.write_items = write\n"
        "models, lander, encoder = sys.argv[1:]\n"
        "publish.publish_release(models, lander=lander, encoder=encoder, reference=None, catalogue=None, metrics={}, "
        "provenance={})\n"
    )
    arguments = [str(models), str(parts / "lander"), str(parts / "encoder")]
    process = subprocess.Popen([sys.executable, "-c", hold, *arguments], stdout=subprocess.PIPE, text=True)
    half_made = Path(process.stdout.readline().strip())
    publish(parts, models, seed=1)
    assert (half_made / "release/encoder/config.json").is_file()  # it goes on
    process.kill()
    process.wait()
    assert half_made.is_dir()
    publish(parts, models, seed=2)
    assert sorted(path.name for path in models.iterdir()) == ["in_service", "put_last.txt", "versions"]
