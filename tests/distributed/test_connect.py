"""Schedulers that do not answer, and workers that cannot do the work."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from distributed import LocalCluster

from hilander import HiLander
from hilander.distributed import connect

_WITHOUT_FAISS = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name == "faiss":
            raise ModuleNotFoundError("No module named 'faiss'")

sys.meta_path.insert(0, Without())
"""
_OF_ANOTHER_VERSION = """
import importlib.metadata as metadata

version = metadata.version
metadata.version = lambda name: "0.0.7" if name == "hilander" else version(name)
"""


@pytest.fixture
def without_workers():
    with LocalCluster(n_workers=0, dashboard_address=None) as workers:
        yield workers


@pytest.mark.parametrize("address", ["inproc://1/2", "inproc://10.0.0.5/1/1"])
def test_a_scheduler_within_another_process_is_refused_as_such(address):
    with pytest.raises(ValueError, match=f"the address {address} is of a scheduler in another process"):
        HiLander(engine=address).fit(np.eye(6))


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(connect, "_SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(ConnectionError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1 .*start one with"):
        HiLander(engine="tcp://127.0.0.1:1").fit(np.eye(6))


def test_a_scheduler_in_this_process_is_reached():
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as workers:
        assert workers.scheduler_address.startswith("inproc://")
        labels = HiLander(engine=workers.scheduler_address).fit_predict(np.eye(6))
    np.testing.assert_array_equal(labels, HiLander().fit_predict(np.eye(6)))


def test_a_scheduler_without_workers_is_told(without_workers, monkeypatch):
    monkeypatch.setattr(connect, "_SECONDS_FOR_A_WORKER", 0.5)
    address = without_workers.scheduler_address
    with pytest.raises(TimeoutError, match=f"no worker came to {address} within .*; start some with `dask worker"):
        HiLander(engine=address).fit(np.eye(6))


def test_a_scheduler_that_is_lost_before_a_worker_comes_is_named(without_workers):
    address = without_workers.scheduler_address

    def close_once_asked_for_workers():
        while not without_workers.scheduler.clients.keys() - {"fire-and-forget"}:  # which is always there
            time.sleep(0.01)
        time.sleep(0.5)
        without_workers.close()

    closer = threading.Thread(target=close_once_asked_for_workers)
    closer.start()
    with pytest.raises(ConnectionError, match=f"the scheduler at {address} was lost .*; start it again"):
        HiLander(engine=address).fit(np.eye(6))
    closer.join()


@pytest.mark.parametrize(
    ("startup", "error", "words"),
    [
        (_WITHOUT_FAISS, ImportError, r"cannot import hilander \(No module named 'faiss'\); install hilander .* there"),
        (_OF_ANOTHER_VERSION, ValueError, r"has hilander 0\.0\.7, expected .* as here"),
    ],
)
def test_a_worker_that_cannot_do_the_work_is_named(without_workers, tmp_path, startup, error, words):
    (tmp_path / "sitecustomize.py").write_text(startup)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-m", "distributed.cli.dask_worker", without_workers.scheduler_address]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen([*command, "--no-dashboard"], env={**os.environ, "PYTHONPATH": path}, stderr=log) as worker,
    ):
        try:
            with pytest.raises(error, match=f"the worker tcp://.* {words}"):
                HiLander(engine=without_workers.scheduler_address).fit(np.eye(6))
        finally:
            worker.terminate()
