"""What a run that was killed leaves behind: processes that still write, half-made folders, a torn lock of DVC's."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from hilander.atomic_write import atomic_file

logger = logging.getLogger(__name__)

STATE = Path(".dvc/tmp/hilander")  # DVC keeps .dvc/tmp out of Git


@dataclass(frozen=True)
class StageProcess:
    """The process group that a run has started, so that a later run can end what an earlier one left.

    Attributes
    ----------
    group : int
        Number of the process group, and of its first process.
    started : float
        When that process started, by the system's clock: numbers are used again.
    """

    group: int
    started: float

    @classmethod
    @contextmanager
    def recorded(cls, workspace: Path, group: int) -> Iterator[None]:
        """Keep the group on record while it runs."""
        path = workspace / STATE / "stage.json"
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(cls(group, time.time()))), encoding="utf-8")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def clean_up(workspace: Path) -> list[str]:
    """End and remove what a killed run left in `workspace`; call with the workspace locked.

    Returns
    -------
    list of str
        A sentence for each thing that was done.
    """
    done = []
    path = workspace / STATE / "stage.json"
    if path.is_file():
        try:
            record = StageProcess(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            record = None
        if record is not None and _end(record):
            done.append(f"ended the stage (process group {record.group}) that a killed run had left behind")
        path.unlink(missing_ok=True)
    rwlock = workspace / ".dvc/tmp/rwlock"
    if rwlock.is_file() and not _is_json(rwlock):
        rwlock.unlink()
        done.append("removed DVC's lock file, which a killed run had half written")
    for folder in (workspace / "artifacts", workspace / "reports"):
        for half_made in folder.glob(".*-*"):  # as hilander.atomic_write names them
            shutil.rmtree(half_made) if half_made.is_dir() else half_made.unlink()
            done.append(f"removed {half_made.relative_to(workspace)}, half made by a killed run")
    return done


def _end(record: StageProcess) -> bool:
    """Kill what is left of the group; True where something was."""
    import psutil

    members = []
    for process in psutil.process_iter():
        try:
            # Our record is written just after the start: a group of that number that is older or younger is another's.
            if os.getpgid(process.pid) == record.group and process.create_time() > record.started - 60:
                members.append(process)
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue
    for process in members:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.Error as error:
            logger.warning("could not end process %d: %s", process.pid, error)
    psutil.wait_procs(members, timeout=10)
    return bool(members)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True
