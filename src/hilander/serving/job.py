"""The process of one job: ``python -m hilander.serving.job FOLDER LOCK``, started by `hilander.serving.jobs`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from hilander.serving.jobs import EMBEDDINGS, PROGRESS, REQUEST, RESULT, write_json

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_NICENESS = 3  # short requests go before long jobs


def main() -> None:
    """Wait for a turn, cluster, write the answer."""
    folder = Path(sys.argv[1])  # the lock in sys.argv[2] stays open until this process ends
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    os.nice(_NICENESS)
    with _turn(folder.parent, request["max_running"]):
        signal.alarm(request["max_seconds"])  # ends the process, whatever it does
        try:
            run(folder, request)
        except Exception as error:
            logger.exception("task %s failed", folder.name)
            write_json(folder / PROGRESS, {"step": "failed", "share": 0, "error": " ".join(str(error).split())})


def run(folder: Path, request: dict[str, Any]) -> None:
    """Cluster what lies in the folder, telling how far it is."""
    _report(folder, "loading the model", 0.0)
    lander = Path(request["release"]) / "lander"
    if not lander.is_dir():  # said before the libraries are loaded, which takes seconds
        raise FileNotFoundError(f"the model folder {lander} is gone; submit the task again")
    import numpy as np

    from hilander.embeddings import check_embeddings
    from hilander.estimator import HiLander
    from hilander.serving.answers import cluster_answer
    from hilander.serving.progress import ReportingModel

    embeddings = np.load(folder / EMBEDDINGS, allow_pickle=False)
    clusterer = HiLander.load(lander, **request["options"])
    clusterer.model = ReportingModel.around(clusterer.model, partial(_report, folder))
    _report(folder, f"searching the neighbours of {len(embeddings):,} items", 0.1)
    clusterer.fit(embeddings)
    _report(folder, "writing the answer", 0.95)
    write_json(folder / RESULT, cluster_answer(clusterer, request["version"]))
    _report(folder, "done", 1.0)
    (folder / EMBEDDINGS).unlink()
    if request["capture"] is not None:
        from hilander.monitoring.capture import CaptureWriter

        with CaptureWriter(**request["capture"]) as capture:
            capture.put(check_embeddings(embeddings), clusterer.labels_, clusterer.probabilities_, request["version"])


@contextlib.contextmanager
def _turn(folder: Path, max_running: int) -> Iterator[None]:
    """Hold one of the places of jobs that run."""
    while True:
        for place in range(max_running):
            with (folder / f"place-{place}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
        time.sleep(_POLL_SECONDS)


def _report(folder: Path, step: str, share: float) -> None:
    write_json(folder / PROGRESS, {"step": step, "share": share})


if __name__ == "__main__":
    main()
