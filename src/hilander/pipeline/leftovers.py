"""What a run that was killed leaves behind: processes that still write, half-made folders, a lock of DVC's."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from hilander.atomic_write import atomic_file

STATE = Path(".dvc/tmp/hilander")  # DVC keeps .dvc/tmp out of Git
EXPERIMENTS = STATE / "experiments"  # copies of the workspace, one an experiment

_MARK = "HILANDER_RUN"
_HALF_MADE = re.compile(r"\..+-[a-z0-9_]{8}(\.\w+)?")  # as hilander.atomic_write names them


@contextmanager
def marked_environment(workspace: Path) -> Iterator[dict[str, str]]:
    """Yield what a process takes into its environment so that `clean_up` knows it, and all that it starts, as ours.

    Not its number, which the system uses again. On record from before the start, to the end of the block.
    """
    record, mark = workspace / STATE / "run-mark", uuid4().hex
    with atomic_file(record) as temporary:
        temporary.write_text(mark, encoding="utf-8")
    try:
        yield {_MARK: mark}
    finally:
        record.unlink(missing_ok=True)


def clean_up(workspace: Path) -> list[str]:
    """End and remove what a killed run left in `workspace` and its experiments; call with the workspace locked.

    Returns
    -------
    list of str
        A sentence for each thing that was done.
    """
    places = [workspace, *sorted((workspace / EXPERIMENTS).glob("*"))]
    done = []
    for place in places:
        record = place / STATE / "run-mark"
        if record.is_file():
            if n_ended := _end_marked(record.read_text(encoding="utf-8", errors="replace")):
                done.append(f"ended {n_ended} processes that a killed run had left behind")
            record.unlink()
        rwlock = place / ".dvc/tmp/rwlock"
        if rwlock.is_file() and _is_stuck(rwlock):
            rwlock.unlink()
            done.append("removed DVC's lock file, which a killed run had left behind")
        for half_made in sorted(path for name in ("artifacts", "reports") for path in (place / name).glob(".*-*")):
            if _is_half_made(half_made):
                shutil.rmtree(half_made) if half_made.is_dir() else half_made.unlink()
                done.append(f"removed {half_made.relative_to(workspace)}, half made by a killed run")
    return done


def _end_marked(mark: str) -> int:
    """Kill every process with that mark; return how many there were."""
    import psutil

    ended: set[psutil.Process] = set()
    for _ in range(5):  # one may start another while we look
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(_MARK) == mark:
                    process.kill()
                    found.append(process)
            except psutil.Error:  # gone, or another user's
                continue
        if not found:
            break
        psutil.wait_procs(found, timeout=10)
        ended.update(found)
    return len(ended)


def _is_stuck(rwlock: Path) -> bool:
    """Half written, or of processes that are no more: DVC sees this itself, but not where a number is used again."""
    import psutil

    try:
        text = rwlock.read_text(encoding="utf-8")
        json.loads(text)
    except ValueError:
        return True
    holders = [int(number) for number in re.findall(r'"pid": (\d+)', text)]
    written = rwlock.stat().st_mtime + 1  # second: clocks of files and of processes differ in their steps

    def holds(number: int) -> bool:
        try:
            return psutil.Process(number).create_time() <= written
        except psutil.NoSuchProcess:
            return False

    return bool(holders) and not any(map(holds, holders))


def _is_half_made(path: Path) -> bool:
    mode = path.lstat().st_mode
    ours = stat.S_ISDIR(mode) or stat.S_ISREG(mode)
    return ours and not mode & 0o077 and bool(_HALF_MADE.fullmatch(path.name))  # private until they are whole
