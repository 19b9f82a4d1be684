"""Dask's workers as an engine."""

import logging
import os
import re
import signal
import threading
import time
from pathlib import Path

from distributed import Client, LocalCluster

from hilander.distributed import engine
from hilander.distributed.engine import DaskWorkers, Run, ThisProcess
from hilander.distributed.store import Store


def test_a_fit_whose_last_worker_is_gone_says_so_and_goes_on_with_the_next(monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(engine, "_SECONDS_BETWEEN_LOOKS", 0.05)
    told = threading.Event()
    caplog.set_level(logging.WARNING, logger=engine.__name__)

    def add_one(record):
        told.set()
        workers.scale(1)
        return True

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as workers,
        Client(workers) as client,
    ):
        assert len(list(DaskWorkers(client).call(Path.touch, [(tmp_path / "1",), (tmp_path / "2",)]))) == 2
        assert "no worker" not in caplog.text
        workers.scale(0)
        while client.nthreads():
            time.sleep(0.01)
        logging.getLogger(engine.__name__).addFilter(add_one)
        try:
            assert len(list(DaskWorkers(client).call(Path.touch, [(tmp_path / "3",), (tmp_path / "4",)]))) == 2
        finally:
            logging.getLogger(engine.__name__).removeFilter(add_one)
    assert told.is_set()
    assert caplog.text.count("no worker is left at inproc://") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2", "3", "4"}


def work_until(folder, part, end):
    """Note who was at a part, and stay there until a file is there."""
    with (Path(folder) / f"calls-{part}").open("a") as calls:
        calls.write(f"{os.getpid()}\n")
    while not Path(end).exists():
        time.sleep(0.01)


def test_a_worker_that_dies_takes_none_of_its_finished_parts_with_it(tmp_path):
    begun, end, now = tmp_path / "calls-0", tmp_path / "end", tmp_path
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as workers,
        Client(workers, set_as_default=False) as client,
    ):
        calls = iter(
            DaskWorkers(client).call(work_until, [(tmp_path, 0, end), *((tmp_path, part, now) for part in range(1, 7))])
        )
        for _ in range(6):
            next(calls)
        at_the_long_one = int(begun.read_text())
        before = set(client.run(os.getpid).values())
        (victim,) = before - {at_the_long_one}
        os.kill(victim, signal.SIGKILL)
        while len(client.nthreads()) < 2 or victim in client.run(os.getpid, on_error="ignore").values():
            time.sleep(0.05)
        time.sleep(0.5)  # in which the new worker could begin with parts of the one that died
        end.touch()
        assert len(list(calls)) == 1
    assert {len(path.read_text().split()) for path in tmp_path.glob("calls-*")} == {1}


def test_parts_of_a_former_process_do_not_count_as_quickly_done(tmp_path, capsys):
    store = Store(str(tmp_path))
    Run(store, ThisProcess()).step("parts", time.sleep, [(0,)] * 40)
    assert capsys.readouterr().err == ""
    Run(store, ThisProcess(), show_progress=True).step("parts", time.sleep, [(0,)] * 40 + [(0.5,)])
    told = capsys.readouterr().err
    assert "41/41" in told
    assert float(re.findall(r"([\d.]+)\s?part/s", told)[-1]) < 3  # with them, some 80 a second
