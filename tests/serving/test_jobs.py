"""Tasks: submitted, watched, fetched, cancelled, bounded."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from hilander.estimator import HiLander
from hilander.serving.configuration import Tasks
from hilander.serving.jobs import Jobs
from hilander.serving.refusals import Refusal

NPY = {"Content-Type": "application/x-npy"}


def wait_for(status, *, until, seconds=180):  # a process loads its libraries anew
    deadline = time.monotonic() + seconds
    while (answer := status())["status"] not in until:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    return answer


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


@pytest.mark.parametrize("task_id", ["", "../../etc/passwd", "A" * 22, "x" * 5000])
def test_unknown_tasks_are_refused(client, task_id):
    for method, path in (("GET", "status"), ("GET", "get"), ("PUT", "cancel")):
        answer = client.request(method, f"/cluster/{path}", params={"task_id": task_id})
        assert answer.status_code in (404, 422)
        assert "task" in answer.json()["error"]


@pytest.fixture
def request_of(folder):
    return {
        "release": str((folder / "models" / "in_service").resolve()), "version": "1", "options": {}, "max_running": 1,
        "max_seconds": 60, "capture": None,
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
    os.kill(int((tmp_path / "tasks" / name / "pid").read_text()), signal.SIGKILL)
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
    os.kill(int((tmp_path / "tasks" / name / "pid").read_text()), signal.SIGKILL)
    wait_for(lambda: jobs.status(name), until={"failed"})
    assert (tmp_path / "tasks" / name / "embeddings.npy").exists()
    jobs.cancel(jobs.submit(make.blobs(50), request_of))
    assert not (tmp_path / "tasks" / name / "embeddings.npy").exists()
    assert jobs.status(name)["status"] == "failed"


def test_a_job_whose_model_is_gone_says_why(tmp_path, make, request_of):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks")))
    name = jobs.submit(make.blobs(50), {**request_of, "release": str(tmp_path / "gone")})
    assert "gone" in wait_for(lambda: jobs.status(name), until={"failed"})["error"]


def test_old_results_are_deleted(tmp_path, make, request_of):
    jobs = Jobs(Tasks(folder=str(tmp_path / "tasks"), keep_seconds=3600))
    name = jobs.submit(np.ones((2, 3)), request_of)
    jobs.cancel(name)
    wait_for(lambda: jobs.status(name), until={"canceled"})
    old: Path = tmp_path / "tasks" / name
    os.utime(old, (0, 0))
    jobs.cancel(jobs.submit(np.ones((2, 3)), request_of))
    assert not old.exists()
