"""Dask's workers as an engine."""

import logging
import re
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
        assert list(DaskWorkers(client).call(Path.touch, [(tmp_path / "1",), (tmp_path / "2",)])) == [None, None]
        assert "no worker" not in caplog.text
        workers.scale(0)
        while client.nthreads():
            time.sleep(0.01)
        logging.getLogger(engine.__name__).addFilter(add_one)
        try:
            assert list(DaskWorkers(client).call(Path.touch, [(tmp_path / "3",), (tmp_path / "4",)])) == [None, None]
        finally:
            logging.getLogger(engine.__name__).removeFilter(add_one)
    assert told.is_set()
    assert caplog.text.count("no worker is left at inproc://") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2", "3", "4"}


def test_parts_of_a_former_process_do_not_count_as_quickly_done(tmp_path, capsys):
    store = Store(str(tmp_path))
    Run(store, ThisProcess()).step("parts", time.sleep, [(0,)] * 40)
    assert capsys.readouterr().err == ""
    Run(store, ThisProcess(), show_progress=True).step("parts", time.sleep, [(0,)] * 40 + [(0.5,)])
    told = capsys.readouterr().err
    assert "41/41" in told
    assert float(re.findall(r"([\d.]+)\s?part/s", told)[-1]) < 3  # with them, some 80 a second
