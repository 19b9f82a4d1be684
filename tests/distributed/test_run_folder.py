"""Folders that runs lie in: named ones, temporary ones, and what they are used for."""

import errno
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest

from hilander import HiLander
from hilander.distributed.claim import claim
from hilander.distributed.run_folder import opened_run_folder
from hilander.distributed.store import Store
from hilander.models.general_model import general_model


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders lie, in this process and in those that it starts."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / "tmp"


def kill_within(code, *arguments):
    """Run code in a process that kills itself at the end."""
    ends = subprocess.run([sys.executable, "-c", f"{code}; os.kill(os.getpid(), 9)", *map(str, arguments)])
    assert ends.returncode == -signal.SIGKILL


def in_temporary_folder(code="pass"):
    kill_within(
        "import os, sys; from hilander.distributed.run_folder import opened_run_folder\n"
        "opened = opened_run_folder(None); store = opened.__enter__()\n"
        f"open(store.url + '/content', 'w').close(); {code}"
    )


def test_a_home_is_written_out(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    HiLander(run_folder="~/work").fit(np.eye(6))
    assert (tmp_path / "home" / "work" / "run" / "settings.npy").is_file()
    with opened_run_folder(Path("~/work")) as store:
        assert store.url == str(tmp_path / "home" / "work")
    with pytest.raises(ValueError, match="no home of ~nobody-of-that-name, which run_folder"):
        HiLander(run_folder="~nobody-of-that-name/work").fit(np.eye(6))
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_url_that_became_a_path_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="must be given as a string with ://, got memory:/bucket/work"):
        HiLander(run_folder=Path("memory://bucket/work")).fit(np.eye(4))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_told():
    with pytest.raises(OSError, match=r"nothing can be written to the run folder /proc/self/work \(.*\); name another"):
        HiLander(run_folder="/proc/self/work").fit(np.eye(6))


def test_what_killed_runs_leave_in_temporary_folders_goes_with_the_next_run(temporary):
    in_temporary_folder()
    (left,) = (path for path in temporary.iterdir() if path.is_dir())
    assert (left / "content").is_file()
    with opened_run_folder(None) as store:
        assert not left.exists()
        assert Path(store.url).stat().st_mode & 0o077 == 0
    assert not list(temporary.iterdir())


def test_folders_in_use_and_those_of_others_are_left_alone(temporary):
    of_others = [temporary / name for name in ("hilander-run-mine", "hilander-demo", f"other-{uuid.uuid4().hex}")]
    for folder in of_others:
        folder.mkdir()
    (temporary / f"hilander-run-{uuid.uuid4().hex}").symlink_to(of_others[0])
    before = set(temporary.iterdir())
    with opened_run_folder(None) as first:
        in_temporary_folder()
        with opened_run_folder(None) as second:
            assert {path for path in temporary.iterdir() if path.is_dir()} == {
                *before,
                Path(first.url),
                Path(second.url),
            }
    assert set(temporary.iterdir()) == before


def test_what_a_killed_process_was_writing_is_deleted(tmp_path):
    store = Store(str(tmp_path))
    store.write("folder/array", np.arange(3))
    kill_within(
        "import os, sys; from hilander.atomic_write import atomic_file\n"
        "writing = atomic_file(sys.argv[1]); writing.__enter__().write_bytes(bytes(1000))",
        tmp_path / "folder" / "array.npy",
    )
    assert len(list((tmp_path / "folder").iterdir())) == 2
    with opened_run_folder(tmp_path):
        assert list((tmp_path / "folder").iterdir()) == [tmp_path / "folder" / "array.npy"]
    assert store.read("folder/array").tolist() == [0, 1, 2]


def test_a_folder_without_locks_is_used_with_a_warning(tmp_path, monkeypatch, caplog):
    def unknown(*arguments):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", unknown)
    with opened_run_folder(tmp_path):
        assert "see to it that no second run works there" in caplog.text


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[1, 2]", b"\xff"])
def test_a_folder_whose_use_cannot_be_read_is_named(tmp_path, content):
    HiLander(run_folder=tmp_path).fit(np.eye(6))
    Store(str(tmp_path)).write("run/settings", np.frombuffer(content, np.uint8))
    with pytest.raises(ValueError, match=f"run folder {tmp_path} is used for cannot be read .*; delete that folder"):
        HiLander(run_folder=tmp_path).fit(np.eye(6))
    (tmp_path / "run" / "settings.npy").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=f"run folder {tmp_path} is used for cannot be read .*; delete that folder"):
        HiLander(run_folder=tmp_path).fit(np.eye(6))


def test_what_workers_of_a_deleted_run_still_write_is_no_part_of_the_next(tmp_path):
    model = general_model()
    with opened_run_folder(tmp_path / "work") as store:
        deleted = claim(store, "of a wrong input", model, model.settings, 0, 400)
        deleted.write("done/rows/000000", np.empty(0))
    shutil.rmtree(tmp_path / "work")
    with opened_run_folder(tmp_path / "work") as store:
        following = claim(store, "of the right one", model, model.settings, 0, 400)
        with pytest.raises(FileNotFoundError, match="is not there on"):
            deleted.write("done/rows/000001", np.empty(0))
        assert not following.names("done/rows")
        assert claim(store, "of the right one", model, model.settings, 0, 400) == following
