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

from hilander.serving.jobs import (
    EMBEDDINGS,
    IMAGES,
    PROGRESS,
    REQUEST,
    RESULT,
    delete_input,
    read_packed,
    write_json,
)
from hilander.serving.refusals import FAULT, Refusal, invalid, without_folders

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
            delete_input(folder)  # first, so that a disk which it filled has room for the note
            write_json(folder / PROGRESS, {"step": "failed", "share": 0, "error": _for_callers(error)})
        finally:
            delete_input(folder)


def run(folder: Path, request: dict[str, Any]) -> None:
    """Cluster what lies in the folder, telling how far it is."""
    _report(folder, "loading the model", 0.0)
    release = Path(request["release"])
    lander = release / "lander"
    if not lander.is_dir() or _version(release) != request["version"]:  # said before libraries are loaded for seconds
        raise invalid("the model of this task is gone; submit the task again") from FileNotFoundError(lander)
    import numpy as np

    from hilander.embeddings import check_embeddings
    from hilander.estimator import HiLander
    from hilander.serving.answers import cluster_answer, cluster_images_answer
    from hilander.serving.model_in_service import fit
    from hilander.serving.progress import ReportingModel

    ids = None
    if (folder / IMAGES).exists():
        from hilander.encoder import load_encoder
        from hilander.serving.encoding import encode_images
        from hilander.serving.images_body import LimitedImages

        files = read_packed(folder / IMAGES)
        ids = [file.name for file in files]
        _report(folder, f"encoding {len(ids):,} images", 0.02)
        encoder = load_encoder(release / "encoder")
        embeddings = encode_images(encoder, LimitedImages(files, request["max_image_pixels"]))
    else:
        embeddings = np.load(folder / EMBEDDINGS, allow_pickle=False)
    clusterer = HiLander.load(lander)
    clusterer.model = ReportingModel.around(clusterer.model, partial(_report, folder))
    _report(folder, f"searching the neighbours of {len(embeddings):,} items", 0.1)
    fit(clusterer, embeddings, request["options"])
    _report(folder, "writing the answer", 0.95)
    version = request["version"]
    answer = cluster_answer(clusterer, version) if ids is None else cluster_images_answer(clusterer, ids, version)
    delete_input(folder)  # before the answer is there: who sees that the job is done sees none of it any more
    write_json(folder / RESULT, answer)
    _report(folder, "done", 1.0)
    if request["capture"] is not None:
        from hilander.monitoring.capture import CaptureWriter

        with CaptureWriter(**request["capture"]) as capture:
            capture.put(check_embeddings(embeddings), clusterer.labels_, clusterer.probabilities_, version)


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


def _version(release: Path) -> str | None:
    """Return the version of the release that lies there by now: a copy may have been replaced by another one's."""
    from hilander.releases.release import MANIFEST

    try:
        return str(json.loads((release / MANIFEST).read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _for_callers(error: Exception) -> str:
    if isinstance(error, Refusal):
        return error.sentence
    return without_folders(error) if isinstance(error, ValueError) else FAULT


def _report(folder: Path, step: str, share: float) -> None:
    write_json(folder / PROGRESS, {"step": step, "share": share})


if __name__ == "__main__":
    main()
