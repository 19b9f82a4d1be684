"""One run a workspace: a second waits and says so, and takes over from one that was killed."""

import signal
import threading

import pytest

from hilander.pipeline.workspace_lock import WorkspaceBusy, workspace_lock

HOLD = """
import time
from pathlib import Path
from hilander.pipeline.workspace_lock import workspace_lock
with workspace_lock(Path.cwd(), print):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(workspace):
    """Another process that holds the workspace."""
    process = workspace.start(HOLD)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_free_workspace_is_held_without_a_word_and_let_go(workspace):
    said = []
    for _ in range(2):
        with workspace_lock(workspace.folder, said.append, wait_seconds=0):
            assert (workspace.folder / ".dvc/tmp/hilander/holder.json").is_file()
    with pytest.raises(KeyboardInterrupt), workspace_lock(workspace.folder, said.append):
        raise KeyboardInterrupt
    assert not (workspace.folder / ".dvc/tmp/hilander/holder.json").exists()
    with workspace_lock(workspace.folder, said.append, wait_seconds=0):
        pass
    assert said == []


def test_a_second_run_gives_up_after_the_wait_and_names_the_first(workspace, holder):
    said = []
    busy = rf"another run \(process {holder.pid}, since .*\) still works in .* after 0 s; cancel it, or try later"
    with pytest.raises(WorkspaceBusy, match=busy), workspace_lock(workspace.folder, said.append, wait_seconds=0.2):
        raise AssertionError("two runs at once")
    [sentence] = said
    assert f"process {holder.pid}" in sentence
    assert "waiting up to" in sentence


def test_the_second_run_begins_when_the_first_is_killed_and_cleans_up_after_it(workspace, holder):
    said, waits = [], threading.Event()

    def say(sentence):
        said.append(sentence)
        waits.set()

    def wait():
        with workspace_lock(workspace.folder, say):
            said.append("mine")

    workspace.write(".dvc/tmp/rwlock", "{")
    second = threading.Thread(target=wait)
    second.start()
    assert waits.wait(30)
    assert len(said) == 1
    holder.send_signal(signal.SIGKILL)
    second.join(30)
    assert not second.is_alive()
    assert [said[0].startswith("another run"), said[1].startswith("removed DVC's lock"), said[2]] == [
        True,
        True,
        "mine",
    ]


def test_a_folder_without_dvc_is_refused_and_left_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no \.dvc"), workspace_lock(tmp_path, print):
        pass
    assert list(tmp_path.iterdir()) == []
