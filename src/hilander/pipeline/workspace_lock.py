"""One run at a time in a workspace: DVC refuses a second one, so it waits here and says so."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from hilander.pipeline.leftovers import STATE, clean_up


class WorkspaceBusy(RuntimeError):
    """Another run holds the workspace, for longer than we were to wait."""


@contextmanager
def workspace_lock(workspace: Path, say: Callable[[str], None], wait_seconds: float = 3600.0) -> Iterator[None]:
    """Hold the workspace; the operating system lets go of it when this process dies, in whatever way.

    What a killed run left is cleaned up before the body starts.

    Parameters
    ----------
    workspace : Path
    say : callable
        Gets a sentence when we wait, and for what was cleaned up.
    wait_seconds : float
        How long to wait for another run.

    Raises
    ------
    FileNotFoundError
        No DVC there.
    WorkspaceBusy
        The other run did not end in that time.
    """
    if not (workspace / ".dvc").is_dir():  # before we make a folder in it, which DVC would take for its own
        raise FileNotFoundError(f"expected a workspace in {workspace}, found no .dvc; start in the folder of dvc.yaml")
    folder = workspace / STATE
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / "run.lock"), folder / "holder.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"{_name_of(holder)} works in {workspace}; waiting up to {wait_seconds:.0f} s for it to end")
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout:
            raise WorkspaceBusy(
                f"{_name_of(holder)} still works in {workspace} after {wait_seconds:.0f} s; cancel it, or try later"
            ) from None
    try:
        holder.write_text(json.dumps({"pid": os.getpid(), "since": f"{datetime.now():%H:%M:%S}"}), encoding="utf-8")
        for sentence in clean_up(workspace):
            say(sentence)
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _name_of(holder: Path) -> str:
    try:
        known = json.loads(holder.read_text(encoding="utf-8"))
        return f"another run (process {known['pid']}, since {known['since']})"
    except (OSError, ValueError, KeyError):  # it has only just begun, or just ended
        return "another run"
