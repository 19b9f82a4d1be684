import os
import re
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from hilander import atomic_write
from hilander.atomic_write import DiskFullError, atomic_file, atomic_folder, save_array
from hilander.distributed.store import Store
from hilander.encoder.checkpoint import Checkpoint
from hilander.estimator import HiLander
from hilander.label_files import write_clusters


@contextmanager
def room_for(n_bytes):
    """No file may grow beyond, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "labels.csv"
    target.write_text("old")

    def fail():
        with atomic_file(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_appears_whole_in_new_folders(tmp_path):
    with atomic_file(tmp_path / "a" / "b.txt") as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
    assert (tmp_path / "a" / "b.txt").read_text() == "new"


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("old")

    def fail():
        with atomic_folder(folder) as temporary:
            (temporary / "config.json").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (folder / "config.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_new_folder_replaces_the_old_one_whole(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "stale.txt").write_text("old")
    with atomic_folder(folder) as temporary:
        (temporary / "config.json").write_text("new")
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert list(tmp_path.iterdir()) == [folder]


def test_the_old_folder_is_put_back_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("old")
    replace = Path.replace

    def refused(path, target):
        if path.parent == tmp_path and path.name != "model" and Path(target) == folder:
            raise PermissionError("not now")
        return replace(path, target)

    def write():
        with atomic_folder(folder) as temporary:
            (temporary / "config.json").write_text("new")
            monkeypatch.setattr(Path, "replace", refused)

    with pytest.raises(PermissionError, match="not now"):
        write()
    assert (folder / "config.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.fixture(params=["told", "asked for"])
def umask(request, monkeypatch):
    """022: as Linux tells it, where `os.umask` would set another one for all threads; and as it is where none does."""
    before = os.umask(0o022)
    with monkeypatch.context() as patched:
        if request.param == "told" and "Umask:" in Path("/proc/self/status").read_text():
            patched.delattr(os, "umask")
        else:
            patched.setattr(atomic_write, "_UMASK", re.compile(b"never told"))
        yield
    os.umask(before)


def test_files_and_all_in_a_folder_can_be_read_by_others_as_the_umask_says(tmp_path, umask):
    with atomic_folder(tmp_path / "model") as temporary:
        (temporary / "inner").mkdir(mode=0o700)
        for name in ("weights", "inner/weights"):
            (temporary / name).touch(mode=0o600)
    with atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    folders, files = ("model", "model/inner"), ("model/weights", "model/inner/weights", "file")
    assert modes == dict.fromkeys(folders, 0o755) | dict.fromkeys(files, 0o644)


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text("old")
    for target in ("elsewhere", "nowhere"):
        (tmp_path / target[0]).symlink_to(target)
        with atomic_folder(tmp_path / target[0]) as temporary:
            (temporary / "config.json").write_text("new")
        assert not (tmp_path / target[0]).is_symlink()
        assert (tmp_path / target[0] / "config.json").read_text() == "new"
    assert (tmp_path / "elsewhere" / "config.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e", "elsewhere", "n"]


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".parquet"])
@pytest.mark.parametrize("n", [300, 3000])  # less than NumPy's own buffer, and more
def test_clusters_that_the_disk_has_no_room_for_are_an_error_that_names_the_file(tmp_path, suffix, n):
    path = tmp_path / f"clusters{suffix}"
    path.write_text("old")
    ids, clusters = np.arange(n).astype(str), np.random.default_rng(0).permutation(n)
    with room_for(2048), pytest.raises(DiskFullError, match=rf"^{path} could not be written \(.*\); make room"):
        write_clusters(path, ids, clusters, np.ones(n, np.float32))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_part_that_the_disk_has_no_room_for_is_not_there(tmp_path):
    store = Store(str(tmp_path))
    with room_for(2048), pytest.raises(DiskFullError, match=r"part\.npy .* no room for its 2,400 bytes; make room"):
        store.write("part", np.arange(300))
    assert list(tmp_path.iterdir()) == []
    store.write("part", np.arange(300))
    assert (store.read("part") == np.arange(300)).all()


def test_a_model_that_the_disk_has_no_room_for_is_an_error_that_names_its_folder(tmp_path):
    with room_for(2048), pytest.raises(DiskFullError, match=f"^{tmp_path / 'model'} could not be written"):
        HiLander().save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_state_of_training_that_the_disk_has_no_room_for_is_an_error_that_names_its_file(tmp_path):
    checkpoint = Checkpoint(tmp_path, "a")
    checkpoint.write({"epoch": 1})
    with room_for(4096), pytest.raises(DiskFullError, match=r"checkpoint\.pt could not be written \(.*\); make room"):
        checkpoint.write({"epoch": 2, "weights": torch.zeros(3000)})
    assert checkpoint.read() == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3), np.asfortranarray(np.eye(3)), np.zeros((0, 4), "f4")])
def test_a_saved_array_is_read_as_it_was(tmp_path, array):
    save_array(tmp_path / "array.npy", array)
    found = np.load(tmp_path / "array.npy")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "😀" * 62 + ".npy"], ids=["ascii", "emoji"])
def test_names_may_be_as_long_as_the_system_allows(tmp_path, name):
    with atomic_file(tmp_path / name) as temporary:
        temporary.write_text("whole")
    for _ in range(2):  # the second one replaces the first
        with atomic_folder(tmp_path / name[:-4]) as temporary:
            (temporary / "a").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, name[:-4]])
