"""A worker is killed under load: the other goes on, it comes back, and nothing captured is torn."""

import os
import signal
import threading
import time
from collections import Counter

import httpx
import psutil
import pyarrow.parquet as pq
import pytest

from benchmarks.serving.server import serve

N_CALLERS = 2


def workers():
    """Processes that serve requests: bentoml starts each of them as a module of its own."""
    children = psutil.Process().children(recursive=True)
    return {
        child.pid
        for child in children
        if child.status() != psutil.STATUS_ZOMBIE and "_bentoml_impl.worker.service" in child.cmdline()
    }


def wait_until(is_so, seconds=240):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def folder(tmp_path, make):
    make.release(tmp_path / "models")
    make.configuration(tmp_path, security={"open_on_loopback": True})
    return tmp_path


def test_a_killed_worker_takes_nothing_with_it_but_its_own_requests(folder, make):
    rows = {"embeddings": make.blobs(5).astype(float).tolist()}
    answers, stop = Counter(), threading.Event()

    def call(url):
        with httpx.Client(timeout=60) as client:
            while not stop.is_set():
                try:
                    answers[client.post(f"{url}/assign", json=rows).status_code] += 1
                except httpx.TransportError:
                    answers["lost"] += 1

    with serve(folder / "serving.yaml", HILANDER_WORKERS="2") as url:
        wait_until(lambda: len(workers()) == 2)
        callers = [threading.Thread(target=call, args=(url,)) for _ in range(N_CALLERS)]
        for caller in callers:
            caller.start()
        try:
            wait_until(lambda: answers[200] > 30)
            before = workers()
            killed = min(before)
            os.kill(killed, signal.SIGKILL)
            answered = answers[200]
            wait_until(lambda: answers[200] > answered + 30)  # others go on
            wait_until(lambda: len(workers() - {killed}) == 2)  # it comes back
        finally:
            stop.set()
            for caller in callers:
                caller.join()

    assert set(answers) <= {200, "lost"}
    assert answers["lost"] <= N_CALLERS  # what the killed one was at, and connections that it held
    parts = list((folder / "captured").rglob("*.parquet"))
    assert sum(pq.read_table(part).num_rows for part in parts) > 0  # each of them whole
