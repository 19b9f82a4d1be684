"""What the steps hand to each other: files in a working folder, so that a step that failed can be repeated alone."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

INPUT, EMBEDDED, CLUSTERED, IDENTIFIED = "input", "embedded", "clustered", "identified"
EMBEDDINGS, ITEMS, FACTS = "embeddings.npy", "items.parquet", "facts.json"


_PREFIX, _LOCK = ".working-", ".lock"


@contextlib.contextmanager
def working_folder(runs: str | Path) -> Iterator[Path]:
    """Yield a new folder below `runs`, which is deleted in the end; so are those that killed runs have left there."""
    runs = Path(runs)
    runs.mkdir(parents=True, exist_ok=True)
    for left in runs.glob(f"{_PREFIX}*"):
        if left.is_dir():
            with contextlib.suppress(OSError), _held(left, is_own=False):  # BlockingIOError: of a run that goes on
                shutil.rmtree(left)
    working = runs / f"{_PREFIX}{uuid4().hex}"
    with _held(working, is_own=True):
        working.mkdir()
        try:
            yield working
        finally:
            shutil.rmtree(working, ignore_errors=True)


@contextlib.contextmanager
def _held(working: Path, *, is_own: bool) -> Iterator[None]:
    """Hold the lock of a working folder, which the operating system lets go of when its process dies."""
    lock = Path(f"{working}{_LOCK}")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError as error:  # some shared file systems have no locks
            if not is_own:
                raise  # whether its run goes on cannot be told
            logger.warning("%s cannot be locked: %s", lock, error)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def write_facts(folder: Path, **facts: Any) -> None:
    """Write what a step found out beside its arrays."""
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def read_facts(working: str | Path, step: str) -> dict[str, Any]:
    """Return what a step found out."""
    return dict(json.loads((_done(working, step) / FACTS).read_text(encoding="utf-8")))


def read_items(working: str | Path, step: str) -> pd.DataFrame:
    """Return a step's table: ``id``, and from `cluster` on ``cluster`` and ``probability``."""
    return pd.read_parquet(_done(working, step) / ITEMS)


def read_embeddings(working: str | Path) -> NDArray[np.float32]:
    """Return the embeddings that `embed` wrote, memory-mapped."""
    return np.load(_done(working, EMBEDDED) / EMBEDDINGS, mmap_mode="r", allow_pickle=False)


def _done(working: str | Path, step: str) -> Path:
    folder = Path(working) / step
    if not folder.is_dir():
        raise FileNotFoundError(
            f"expected {folder}, found no such folder: the steps are fetch, embed, cluster, identify, write_run, in "
            "this order and with the same working folder"
        )
    return folder
