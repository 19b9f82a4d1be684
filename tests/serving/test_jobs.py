"""Tasks: submitted, watched, fetched, cancelled, bounded."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from starlette.testclient import TestClient

from hilander.estimator import HiLander
from hilander.serving.app import make_app
from hilander.serving.configuration import Tasks
from hilander.serving.jobs import Jobs
from hilander.serving.refusals import Refusal

NPY = {"Content-Type": "application/x-npy"}


DYING_WORKER = """
import json, os, subprocess, sys
import numpy as np
from hilander.serving.configuration import Tasks
from hilander.serving.jobs import Jobs

class Dying(subprocess.Popen):
    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        os._exit(0)

subprocess.Popen = Dying
Jobs(Tasks(folder=sys.argv[1])).submit(np.ones((2, 3)), json.loads(sys.argv[2]))
"""

FULL_DISK = """
import errno, sys
from hilander.serving import job

def write_where_there_is_room(path, value):
    if (path.parent / "embeddings.npy").exists():
        raise OSError(errno.ENOSPC, "No space left on device")
    write_json(path, value)

write_json, job.write_json = job.write_json, write_where_there_is_room
job.main()
"""


def wait_for(status, *, until, seconds=180):  # a process loads its libraries anew
    deadline = time.monotonic() + seconds
    while (answer := status())["status"] not in until:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    return answer


def wait_until_ended(folder, seconds=30):
    deadline = time.monotonic() + seconds
    while psutil.pid_exists(number_of(folder)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def number_of(folder, seconds=30):
    """The number that the job's process has noted, which takes it a moment."""
    deadline = time.monotonic() + seconds
    while not (folder / "pid").exists() or not (text := (folder / "pid").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return int(text)


def test_a_large_request_becomes_a_task_with_the_librarys_labels(client, make):
    rows = make.blobs(250, seed=5)  # more than max_rows_at_once

    submitted = client.post("/cluster?linkage_threshold=0.9", content=make.npy(rows), headers=NPY)

    assert submitted.status_code == 202
    task = submitted.json()
    assert client.get(task["links"]["get"]).status_code in (200, 409)
    done = wait_for(lambda: client.get(task["links"]["status"]).json(), until={"completed", "failed"})
    assert done["status"] == "completed"
    assert done["progress"]["share"] > 0.9
    answer = client.get(task["links"]["get"]).json()
    assert answer["labels"] == HiLander(linkage_threshold=0.9).fit_predict(rows).tolist()
    assert client.put(task["links"]["cancel"]).json()["status"] == "completed"  # too late


@pytest.mark.parametrize("asked", ["bytes=0-3", "bytes=5-2", "rows=0-3", "bytes=0-0,2-2", "bytes=9999-"])
def test_a_result_comes_whole_whatever_range_is_asked_for(client, folder, asked):
    job = folder / "tasks" / ("r" * 22)
    job.mkdir(parents=True, exist_ok=True)
    (job / "request.json").write_text("{}")
    (job / "result.json").write_text('{"labels": [0]}')
    answer = client.get(f"/cluster/get?task_id={job.name}", headers={"Range": asked})
    assert answer.status_code == 200
    assert answer.json() == {"labels": [0]}


@pytest.mark.parametrize("task_id", ["", "../../etc/passwd", "A" * 22, "x" * 5000])
def test_unknown_tasks_are_refused(client, task_id):
    for method, path in (("GET", "status"), ("GET", "get"), ("PUT", "cancel")):
        answer = client.request(method, f"/cluster/{path}", params={"task_id": task_id})
        assert answer.status_code in (404, 422)
        assert "task" in answer.json()["error"]


@pytest.fixture
def request_of(folder):
    release = (folder / "models" / "in_service").resolve()
    return {
        "release": str(release), "version": release.name, "options": {}, "max_running": 1, "max_seconds": 60,
        "capture": None,
    }  # fmt: skip


def test_jobs_are_bounded_cancelled_and_seen_by_every_worker(tmp_path, make, request_of):
    tasks = Tasks(folder=str(tmp_path / "tasks"), max_running=1, max_waiting=1)
    here, there = Jobs(tasks), Jobs(tasks)
    first, second = (here.submit(make.blobs(50), request_of) for _ in range(2))
    with pytest.raises(Refusal, match="2 tasks"):
        there.submit(make.blobs(50), request_of)
    assert there.cancel(second)["status"] == "canceled"
    assert here.status(second)["status"] == "canceled"
    with pytest.raises(Refusal, match="canceled"):
        here.result(second)
    there.cancel(first)
    wait_for(lambda: here.status(first), until={"canceled", "completed"})


def test_a_job_that_dies_has_failed_and_says_so(tmp_path, make, request_of):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks")))
    name = jobs.submit(make.blobs(50), request_of)
    os.kill(number_of(tmp_path / "tasks" / name), signal.SIGKILL)
    failed = wait_for(lambda: jobs.status(name), until={"failed"})
    assert "fewer rows" in failed["error"]


def test_what_a_job_was_given_is_deleted_when_it_runs_out_of_time(tmp_path, make, request_of):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks")))
    name = jobs.submit(make.blobs(50), {**request_of, "max_seconds": 1})  # as long as its libraries take to load
    wait_for(lambda: jobs.status(name), until={"failed", "completed"})
    given = tmp_path / "tasks" / name / "embeddings.npy"
    deadline = time.monotonic() + 10
    while given.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_killed_jobs_of_other_workers_were_given_is_deleted(tmp_path, make, request_of, monkeypatch):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks"), max_running=2))
    monkeypatch.setattr("hilander.serving.jobs._reap", lambda process, folder: process.wait())  # that worker is gone
    name = jobs.submit(make.blobs(50), request_of)
    os.kill(number_of(tmp_path / "tasks" / name), signal.SIGKILL)
    wait_for(lambda: jobs.status(name), until={"failed"})
    assert (tmp_path / "tasks" / name / "embeddings.npy").exists()
    jobs.cancel(jobs.submit(make.blobs(50), request_of))
    assert not (tmp_path / "tasks" / name / "embeddings.npy").exists()
    assert jobs.status(name)["status"] == "failed"


def test_a_service_that_starts_deletes_what_a_crash_left(tmp_path, make, request_of, monkeypatch):
    monkeypatch.setenv("HILANDER_SERVING_CONFIG", str(make.configuration(tmp_path)))
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks")))
    monkeypatch.setattr("hilander.serving.jobs._reap", lambda process, folder: process.wait())  # that worker is gone
    killed = tmp_path / "tasks" / jobs.submit(make.blobs(50), request_of)
    os.kill(number_of(killed), signal.SIGKILL)
    wait_for(lambda: jobs.status(killed.name), until={"failed"})
    old, half_written = (tmp_path / "tasks" / name for name in ("a" * len(killed.name), f".{killed.name}-x1y2z3"))
    for folder in (old, half_written):
        shutil.copytree(killed, folder)
    os.utime(old, (0, 0))
    with TestClient(make_app()):
        deadline = time.monotonic() + 20
        while (killed / "embeddings.npy").exists() or old.exists() or half_written.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert jobs.status(killed.name)["status"] == "failed"


def test_a_job_outlives_the_end_of_the_service(tmp_path, make, request_of):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks"), max_running=2))
    name = jobs.submit(make.blobs(50), request_of)
    job = psutil.Process(number_of(tmp_path / "tasks" / name))
    while job.name() == "sh":  # for the moment that a worker takes to answer 202
        time.sleep(0.001)
    assert job.ppid() == os.getpid()  # one of those that BentoML ends together with the worker
    job.terminate()
    assert wait_for(lambda: jobs.status(name), until={"completed", "failed"})["status"] == "completed"


def test_a_job_is_cancelled_whose_worker_was_killed_as_it_started_it(tmp_path, make, request_of):
    (tmp_path / "tasks").mkdir()
    with (tmp_path / "tasks" / "place-0.lock").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)  # so that the job waits
        subprocess.run(
            [sys.executable, "-c", DYING_WORKER, str(tmp_path / "tasks"), json.dumps(request_of)], check=True
        )
        (name,) = (path.name for path in (tmp_path / "tasks").iterdir() if path.is_dir())
        jobs = Jobs(Tasks(folder=str(tmp_path / "tasks"), max_waiting=0))
        assert jobs.status(name)["status"] == "in_progress"
        assert jobs.cancel(name)["status"] == "canceled"
        jobs.cancel(jobs.submit(make.blobs(20), request_of))  # its place is free again


def test_a_job_whose_model_is_gone_says_why(tmp_path, make, request_of):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks")))
    name = jobs.submit(make.blobs(50), {**request_of, "release": str(tmp_path / "left")})
    error = wait_for(lambda: jobs.status(name), until={"failed"})["error"]
    assert error == "the model of this task is gone; submit the task again"


def test_a_job_whose_model_was_replaced_by_another_under_the_same_name_has_failed(tmp_path, make, request_of):
    copy = tmp_path / "copy"
    shutil.copytree(make.release(tmp_path / "models", seed=1).folder, copy)
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks")))
    name = jobs.submit(make.blobs(50), {**request_of, "release": str(copy)})
    error = wait_for(lambda: jobs.status(name), until={"failed"})["error"]
    assert error == "the model of this task is gone; submit the task again"


def test_a_job_whose_model_is_broken_names_no_folder_of_the_server(tmp_path, make, request_of, capfd):
    broken = tmp_path / "release"
    shutil.copytree(request_of["release"], broken)
    (broken / "lander" / "config.json").write_text("{}")
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks")))
    name = jobs.submit(make.blobs(50), {**request_of, "release": str(broken)})
    error = wait_for(lambda: jobs.status(name), until={"failed"})["error"]
    assert "config.json" in error
    assert str(tmp_path) not in error
    assert str(broken) in capfd.readouterr().err  # which is the service's log


def test_a_job_that_breaks_says_nothing_of_the_inside(tmp_path, make, request_of, capfd):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks")))
    del request_of["version"]
    name = jobs.submit(make.blobs(50), request_of)
    error = wait_for(lambda: jobs.status(name), until={"failed"})["error"]
    assert "its log says more" in error
    assert "version" not in error
    assert "KeyError: 'version'" in capfd.readouterr().err


def test_a_job_whose_input_fills_the_disk_still_says_that_it_failed(tmp_path, make, request_of):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks")))
    name = jobs.submit(make.blobs(50), request_of)
    jobs.cancel(name)
    folder = tmp_path / "tasks" / name
    (folder / "canceled").unlink()
    np.save(folder / "embeddings.npy", make.blobs(50))
    subprocess.run([sys.executable, "-c", FULL_DISK, str(folder)], check=True, stderr=subprocess.DEVNULL)
    assert "its log says more" in jobs.status(name)["error"]


def test_old_results_are_deleted(tmp_path, make, request_of):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks"), keep_seconds=3600))
    name = jobs.submit(np.ones((2, 3)), request_of)
    jobs.cancel(name)
    wait_for(lambda: jobs.status(name), until={"canceled"})
    old: Path = tmp_path / "tasks" / name
    os.utime(old, (0, 0))
    jobs.cancel(jobs.submit(np.ones((2, 3)), request_of))
    assert not old.exists()


def test_a_task_is_gone_once_its_result_was_kept_long_enough(tmp_path, make, request_of):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks"), keep_seconds=3600))
    first = jobs.submit(make.blobs(20), request_of)
    wait_for(lambda: jobs.status(first), until={"completed"})
    wait_until_ended(tmp_path / "tasks" / first)
    for ask, letter in ((jobs.status, "a"), (jobs.result, "b"), (jobs.cancel, "c")):
        name = letter * len(first)  # another of the same: each process loads its libraries anew
        shutil.copytree(tmp_path / "tasks" / first, tmp_path / "tasks" / name)
        assert jobs.result(name).is_file()
        os.utime(tmp_path / "tasks" / name, (0, 0))
        with pytest.raises(Refusal, match="deleted after some time") as refused:
            ask(name)
        assert refused.value.status == 404
        assert not (tmp_path / "tasks" / name).exists()
    assert jobs.result(first).is_file()


def test_a_task_that_waits_longer_than_results_are_kept_is_not_deleted(tmp_path, make, request_of):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks"), keep_seconds=3600))
    (tmp_path / "tasks").mkdir()
    with (tmp_path / "tasks" / "place-0.lock").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)  # as by a task of another worker
        name = jobs.submit(make.blobs(20), request_of)
        os.utime(tmp_path / "tasks" / name, (0, 0))
        assert jobs.status(name)["status"] == "in_progress"
    assert wait_for(lambda: jobs.status(name), until={"completed", "failed"})["status"] == "completed"
