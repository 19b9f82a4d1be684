"""What is in service moves at once for every reader; what a hand took out of it stays out."""

import resource
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hilander.atomic_write import DiskFullError
from hilander.releases import ReleaseError, put_into_service, release_in_service
from tests.releases.conftest import move_by_hand, publish


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


@pytest.mark.parametrize("put_back", [move_by_hand, put_into_service])
def test_a_release_put_back_counts_as_any_other(parts, models, put_back):
    first, second = release_in_service(models), publish(parts, models, seed=1)
    put_into_service(models, first.version)
    put_back(models, second.version)
    publish(parts, models, seed=2)
    assert publish(parts, models, seed=1).files == second.files
    # The first is now the one taken out.
    assert publish(parts, models, say=lambda sentence: None).files == second.files


@pytest.mark.parametrize("n_moves", [0, 1])
def test_a_publication_killed_about_the_move_is_taken_for_no_hand(parts, models, n_moves):
    first, killed = release_in_service(models), publish(parts, models, seed=1)
    if n_moves == 0:
        put_into_service(models, first.version)
        (models / "withdrawn.txt").unlink()
    (models / "put_last.txt").write_text(f"{first.version}\n{killed.version}\n")
    assert publish(parts, models, seed=1).files == killed.files
    assert publish(parts, models).files == first.files


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
