"""Data that DVC tracks come from the remote and go to it; what was changed and not recorded stays."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hilander.pipeline.data_versions import DataMissing, RemoteUnavailable, pull_missing, push_outputs


def test_data_that_were_deleted_come_back_and_changed_data_stay(workspace):
    said = []
    workspace.run("dvc", "remote", "add", "-q", "-d", "store", "dvcstore")
    push_outputs(workspace.folder, said.append)
    shutil.rmtree(workspace.folder / ".dvc/cache")
    (workspace.folder / "data").unlink()
    (workspace.folder / "more").unlink()
    assert pull_missing(workspace.folder, said.append) == []
    assert workspace.read("data") == "first data\n"
    assert workspace.read("more") == "more data\n"

    said.clear()
    workspace.write("data", "changed\n")
    assert pull_missing(workspace.folder, said.append) == ["data.dvc"]
    assert workspace.read("data") == "changed\n"
    assert said[-1].startswith("the data differ from data.dvc and are not recorded: going on with them as they are")
    shutil.rmtree(workspace.folder / ".dvc/cache")  # as in a clone that was filled by hand
    said.clear()
    pull_missing(workspace.folder, said.append)
    assert workspace.read("data") == "changed\n"
    assert any("going on with them as they are" in sentence for sentence in said)


def test_make_run_goes_on_with_data_that_the_user_has_put_in_their_place(workspace):
    makefile = Path(__file__).parents[2] / "Makefile"
    recipe = subprocess.run(
        ["make", "-s", "-n", "-o", "install", "-f", makefile, "run"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    before = recipe[: recipe.index("dvc repro")]
    assert before == ["python -m hilander.pipeline.data_versions"]
    workspace.write("data", "the user's own\n")
    assert "going on with them as they are" in workspace.run(*before[0].split())
    assert workspace.read("data") == "the user's own\n"


def test_data_that_are_nowhere_end_make_run_in_one_sentence(workspace):
    (workspace.folder / "data").unlink()
    shutil.rmtree(workspace.folder / ".dvc/cache")
    command = [sys.executable, "-m", "hilander.pipeline.data_versions"]
    ended = subprocess.run(command, cwd=workspace.folder, env=workspace.environment(), capture_output=True, text=True)
    assert ended.returncode == 1
    assert "see `dvc remote list`" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_pointers_in_folders_count_too(workspace, monkeypatch):
    monkeypatch.chdir(workspace.folder.parent)
    workspace.write("sets/faces", "faces\n")
    workspace.run("dvc", "add", "-q", "sets/faces")
    (workspace.folder / "sets/faces").unlink()
    assert pull_missing(workspace.folder, lambda line: None) == []
    assert workspace.read("sets/faces") == "faces\n"
    workspace.write("sets/faces", "changed\n")
    assert pull_missing(workspace.folder, lambda line: None) == ["sets/faces.dvc"]
    assert workspace.read("sets/faces") == "changed\n"


def test_a_file_that_was_deleted_from_a_folder_stays_deleted(workspace):
    """As one that the validation names, or the built-in data where the user's own lie beside them."""
    for name in ("broken.png", "sharp.png"):
        workspace.write(f"photos/{name}", name)
    workspace.run("dvc", "add", "-q", "photos")
    (workspace.folder / "photos/broken.png").unlink()
    said = []
    assert pull_missing(workspace.folder, said.append) == ["photos.dvc"]
    assert not (workspace.folder / "photos/broken.png").exists()
    assert [sentence.partition(":")[0] for sentence in said] == ["the data differ from photos.dvc and are not recorded"]
    (workspace.folder / "photos/sharp.png").unlink()  # nothing is left that could be anybody's choice
    assert pull_missing(workspace.folder, said.append) == []
    assert workspace.read("photos/sharp.png") == "sharp.png"


def test_a_recorded_version_is_brought_up_to_a_pointer_that_names_a_fuller_one(workspace):
    workspace.write("photos/first.png", "first")
    workspace.run("dvc", "add", "-q", "photos")
    workspace.write("photos/second.png", "second")
    workspace.run("dvc", "add", "-q", "photos")
    (workspace.folder / "photos/second.png").unlink()  # as before another's pointer came by Git
    assert pull_missing(workspace.folder, lambda line: None) == []
    assert workspace.read("photos/second.png") == "second"


def test_a_transfer_that_was_cut_short_is_finished(workspace):
    for name in ("first.png", "second.png"):
        workspace.write(f"photos/{name}", name)
    workspace.run("dvc", "add", "-q", "photos")
    shutil.rmtree(workspace.folder / "photos")

    def interrupt(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull_missing(workspace.folder, interrupt)
    workspace.write("photos/first.png", "first.png")
    (workspace.folder / "photos/second.png").unlink(missing_ok=True)  # had not come yet
    assert pull_missing(workspace.folder, lambda line: None) == []
    assert workspace.read("photos/second.png") == "second.png"


def test_data_that_are_nowhere_are_an_error_that_will_not_pass(workspace):
    shutil.rmtree(workspace.folder / ".dvc/cache")
    (workspace.folder / "data").unlink()
    with pytest.raises(DataMissing, match=r"failed .*: data: neither in DVC's cache .*; see `dvc remote list`"):
        pull_missing(workspace.folder, lambda line: None)
    (workspace.folder / "dvcstore").mkdir()
    workspace.run("dvc", "remote", "add", "-q", "-d", "store", "dvcstore")
    with pytest.raises(DataMissing, match=r"`dvc push`"):
        pull_missing(workspace.folder, lambda line: None)


def test_a_remote_that_does_not_answer_may_later(workspace):
    url = "http://me:hunter22@127.0.0.1:9/store"
    workspace.write(".dvc/config", f"[core]\n    remote = away\n['remote \"away\"']\n    url = {url}\n")
    said = []
    with pytest.raises(RemoteUnavailable, match="dvc push failed") as error:
        push_outputs(workspace.folder, said.append)
    assert "hunter22" not in " ".join([*said, str(error.value)])


def test_without_a_remote_nothing_is_pushed_and_a_sentence_says_so(workspace):
    said = []
    push_outputs(workspace.folder, said.append)
    assert said == ["no remote is configured (`dvc remote add -d NAME URL`): nothing pushed"]


def test_without_tracked_data_there_is_nothing_to_do(tmp_path):
    pull_missing(tmp_path, pytest.fail)
