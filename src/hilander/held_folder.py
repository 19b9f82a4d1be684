"""Temporary folders known to be in use, so that those of killed processes are told from them and removed."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

logger = logging.getLogger(__name__)

_LOCK = ".lock"
_DIGITS = "[0-9a-f]" * 32  # of a UUID: no folder that somebody made by hand


@contextlib.contextmanager
def held_folder(place: str | Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder in `place`, which is deleted in the end; so are those that killed processes have left there.

    Of the latter those alone that the same user owns, whose locks nobody else can have put there.

    Parameters
    ----------
    place : str or Path
        Made where there is none.
    prefix : str
        How the names begin of all folders that are of one use.
    """
    place = Path(place)
    place.mkdir(parents=True, exist_ok=True)
    for left in place.glob(f"{prefix}{_DIGITS}*"):
        with contextlib.suppress(OSError):  # BlockingIOError: in use; FileNotFoundError: its process has just ended
            about = left.lstat()
            if stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid():
                with _held(left, is_own=False):
                    shutil.rmtree(left)
    folder = place / f"{prefix}{uuid4().hex}"
    with _held(folder, is_own=True):
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path, *, is_own: bool) -> Iterator[None]:
    """Hold the lock of a folder, which the operating system lets go of when its process dies."""
    lock = Path(f"{folder}{_LOCK}")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError as error:  # some shared file systems have no locks
            if not is_own:
                raise  # whether its process goes on cannot be told
            logger.warning("%s cannot be locked: %s", lock, error)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
