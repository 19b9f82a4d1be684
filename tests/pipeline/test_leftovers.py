"""What a killed run leaves is ended and removed; what is another's stays."""

import json
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from hilander.pipeline.leftovers import clean_up

RUN = """
from pathlib import Path
from hilander.pipeline.dvc_stages import run_stage
run_stage(Path.cwd(), "endless", lambda line: print(line, flush=True))
"""
START = """
import os, subprocess
from pathlib import Path
from hilander.pipeline.leftovers import marked_environment
with marked_environment(Path.cwd()) as mark:
    subprocess.Popen(["sleep", "600"], env=os.environ | mark, start_new_session=True)
    os.kill(os.getpid(), 9)
"""
WRITE = """
import os
from hilander.atomic_write import atomic_file, atomic_folder
with atomic_folder("artifacts/encoder") as folder, atomic_file("reports/metrics.json") as file:
    (folder / "weights").write_text("half")
    os.kill(os.getpid(), 9)
"""


def pids(*numbers):
    infos = [{"pid": number, "cmd": "dvc repro"} for number in numbers]
    return json.dumps({"write": {}, "read": {"/data": infos}})


@pytest.fixture
def gone():
    """The number of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_stage_that_outlived_its_run_is_ended_by_the_next(workspace):
    workspace.add_stage("endless", "echo begun; sleep 600")
    run = workspace.start(RUN)
    assert "begun\n" in iter(run.stdout.readline, "")
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert workspace.processes()  # DVC, a shell, the stage
    [first, *_] = clean_up(workspace.folder)
    assert "processes that a killed run had left behind" in first
    workspace.wait_until_empty()
    assert clean_up(workspace.folder) == []


def test_what_an_experiment_left_is_ended_too(workspace):
    copy = workspace.folder / ".dvc/tmp/hilander/experiments/run-1"
    copy.mkdir(parents=True)
    for script in (START, WRITE):
        subprocess.run([sys.executable, "-c", script], cwd=copy, check=False)
    assert [process.name() for process in workspace.processes()] == ["sleep"]
    done = clean_up(workspace.folder)
    assert done[0] == "ended 1 processes that a killed run had left behind"
    assert len(done) == 3
    workspace.wait_until_empty()
    assert copy.is_dir()


def test_processes_of_others_live_on_whatever_their_number(workspace):
    subprocess.run([sys.executable, "-c", START], cwd=workspace.folder, check=False)
    [ours] = workspace.processes()
    other = subprocess.Popen(["sleep", "600"], env=os.environ | {"HILANDER_RUN": "0" * 32}, start_new_session=True)
    try:
        clean_up(workspace.folder)
        assert not ours.is_running()
        workspace.write(".dvc/tmp/hilander/run-mark", str(other.pid))  # damaged, or of an older version
        assert clean_up(workspace.folder) == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_lock_of_dvc_stays_where_someone_holds_it_and_goes_where_nobody_does(workspace, gone):
    rwlock = workspace.folder / ".dvc/tmp/rwlock"
    for text in ('{"read": {}, "write": {}}', pids(os.getpid()), pids(gone, os.getpid())):
        rwlock.write_text(text)
        assert clean_up(workspace.folder) == []
        assert rwlock.read_text() == text
    for text in ("", '{"read": {"/da', pids(gone)):
        rwlock.write_text(text)
        assert len(clean_up(workspace.folder)) == 1
        assert not rwlock.exists()


def test_a_lock_does_not_pass_to_a_later_process_of_the_same_number(workspace):
    rwlock = workspace.write(".dvc/tmp/rwlock", pids(os.getpid()))
    before = psutil.Process().create_time() - 60
    os.utime(rwlock, (before, before))
    assert clean_up(workspace.folder) == ["removed DVC's lock file, which a killed run had left behind"]


def test_only_what_is_half_made_is_removed(workspace):
    shutil.rmtree(workspace.folder / ".dvc/tmp")
    kept = [".gitignore", ".my-model.dvc", ".my-settings", "model-12345678", ".notes-private.txt", ".old-abcdefgh/a"]
    kept = {workspace.write(f"artifacts/{name}", "mine") for name in kept}
    link = workspace.folder / "artifacts/.link-abcdefgh"
    link.symlink_to(workspace.folder)
    workspace.write("artifacts/encoder/weights", "old")
    (workspace.folder / "artifacts/.private-notes").mkdir(mode=0o700)  # no random name
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WRITE], cwd=workspace.folder, check=False)
    assert len(list(workspace.folder.glob("*/.*-????????*"))) > 4
    done = clean_up(workspace.folder)
    assert len(done) == 4
    assert all("half made by a killed run" in sentence for sentence in done)
    assert all(path.read_text() == "mine" for path in kept)
    assert link.is_symlink()
    assert (workspace.folder / "artifacts/.private-notes").is_dir()
    assert workspace.read("artifacts/encoder/weights") == "old"
    assert clean_up(workspace.folder) == []
