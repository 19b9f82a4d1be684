import os
from pathlib import Path

import pytest

from hilander.atomic_write import atomic_file, atomic_folder


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


def test_all_in_a_folder_can_be_read_by_others_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        with atomic_folder(tmp_path / "model") as temporary:
            (temporary / "inner").mkdir(mode=0o700)
            for name in ("weights", "inner/weights"):
                (temporary / name).touch(mode=0o600)
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"model": 0o755, "model/inner": 0o755, "model/weights": 0o644, "model/inner/weights": 0o644}
