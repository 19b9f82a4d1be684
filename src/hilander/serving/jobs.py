"""Long jobs as processes of their own: submitted, watched, cancelled and fetched from any worker of one machine.

A job is a folder. Its process holds a lock on ``alive`` for as long as it lives, so that no worker has to remember
it, and a worker that ends takes no job with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.atomic_write import atomic_file, atomic_folder, save_array
from hilander.serving.bodies import File
from hilander.serving.configuration import Tasks
from hilander.serving.refusals import Refusal, overloaded

REQUEST, EMBEDDINGS, IMAGES, PROGRESS, RESULT, CANCELED, ALIVE, PID = (
    "request.json", "embeddings.npy", "images.zip", "progress.json", "result.json", "canceled", "alive", "pid",
)  # fmt: skip
_ROOT = str(Path(__file__).parents[2])  # in a Bento, hilander is not installed but lies on the path
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_HALF_WRITTEN = re.compile(rf"\.{_ID.pattern}-.*")  # as `atomic_folder` calls what is to become a job
# BentoML ends a worker by SIGTERM to it and to its children, so that a job must not heed that; `cancel` sends SIGKILL
# to the number that a job notes itself, since the worker that started it may have been killed at once.
_DEAF = ("/bin/sh", "-c", 'trap "" TERM && echo $$ >"$0" && exec "$@"')
_DYING = 100  # looks at a process that is being stopped, of 20 ms each
IN_PROGRESS, COMPLETED, FAILED, CANCELLED = "in_progress", "completed", "failed", "canceled"  # BentoML's own words


class Jobs:
    """The jobs of one machine.

    Parameters
    ----------
    tasks : Tasks
    """

    def __init__(self, tasks: Tasks) -> None:
        self.tasks, self.folder = tasks, Path(tasks.folder).absolute()

    def submit(self, items: NDArray | Sequence[File], request: Mapping[str, Any]) -> str:
        """Start a job, which waits for its turn; return its id.

        Parameters
        ----------
        items : ndarray of shape (n, d), or sequence of File
            Embeddings or images; they are deleted when the job has ended.
        request : mapping
            What is to be done with them, as JSON.

        Raises
        ------
        Refusal
            Too many are waiting.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds what callers sent
        with self._alone():
            self._delete_old()
            n_unfinished = sum(_is_alive(path) for path in self._jobs())
            most = self.tasks.max_running + self.tasks.max_waiting
            if n_unfinished >= most:
                raise overloaded(f"{most} tasks are running or waiting already, which is the limit; submit it later")
            name = secrets.token_urlsafe(16)
            with atomic_folder(self.folder / name) as folder:
                if isinstance(items, np.ndarray):
                    save_array(folder / EMBEDDINGS, items)
                else:
                    _pack(folder / IMAGES, items)
                (folder / REQUEST).write_text(json.dumps({**request, "submitted": time.time()}))
            self._start(self.folder / name)
        return name

    def tidy(self) -> None:
        """Delete what ended jobs were given, and results that were kept long enough, which `submit` does as well."""
        if self.folder.is_dir():
            with self._alone():
                self._delete_old()

    def status(self, name: str) -> dict[str, Any]:
        """Return ``task_id``, ``status``, ``progress`` (step and share) and, where it failed, ``error``."""
        folder = self._find(name)
        alive = _is_alive(folder)  # first, so that a job which ends now is not taken for one that failed
        answer: dict[str, Any] = {
            "task_id": name,
            "progress": _read(folder / PROGRESS) or {"step": "waiting", "share": 0},
        }
        if (folder / RESULT).exists():
            return {**answer, "status": COMPLETED}
        if (folder / CANCELED).exists():
            return {**answer, "status": CANCELLED}
        if alive:
            return {**answer, "status": IN_PROGRESS}
        error = answer["progress"].get("error") or (
            f"the task ended without a result; it may take {self.tasks.max_seconds:,} seconds, and the memory and disk "
            "there are: submit fewer rows or images"
        )
        return {**answer, "status": FAILED, "error": error}

    def result(self, name: str) -> Path:
        """Return the file that holds the answer, as JSON.

        Raises
        ------
        Refusal
            The job is unknown (404), unfinished or without a result (409).
        """
        status = self.status(name)
        if status["status"] != COMPLETED:
            raise Refusal(409, status.get("error") or f"task {name} is {status['status']}; ask for its status first")
        return self._find(name) / RESULT

    def cancel(self, name: str) -> dict[str, Any]:
        """Stop a job; one that has ended stays as it is."""
        folder = self._find(name)
        if _is_alive(folder) and not (folder / RESULT).exists():
            (folder / CANCELED).touch()
            for _ in range(_DYING):
                if not _is_alive(folder):
                    break
                with contextlib.suppress(OSError, ValueError):  # it is ending, or has not noted its number yet
                    os.killpg(int((folder / PID).read_text()), signal.SIGKILL)
                time.sleep(0.02)
            delete_input(folder)
        return self.status(name)

    def _start(self, folder: Path) -> None:
        with (folder / ALIVE).open("w") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX)  # handed on to the process, and so held until that ends
            process = subprocess.Popen(
                [
                    *_DEAF,
                    str(folder / PID),
                    sys.executable,
                    "-m",
                    "hilander.serving.job",
                    str(folder),
                    str(alive.fileno()),
                ],
                pass_fds=[alive.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([_ROOT, os.environ.get("PYTHONPATH", "")])},
            )
        threading.Thread(target=_reap, args=(process, folder), daemon=True).start()

    def _find(self, name: str) -> Path:
        folder = self.folder / name
        if not _ID.fullmatch(name) or not (folder / REQUEST).is_file() or self._delete_if_old(folder):
            raise Refusal(404, "there is no task of this task_id; results are deleted after some time, submit it again")
        return folder

    def _jobs(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if _ID.fullmatch(path.name)]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other workers from making jobs: one that does not run yet looks like one that has ended."""
        with (self.folder / "submit.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _delete_old(self) -> None:
        for path in self.folder.iterdir():
            if _HALF_WRITTEN.fullmatch(path.name):  # by a worker that was killed as it did so
                shutil.rmtree(path, ignore_errors=True)
        for folder in self._jobs():
            with contextlib.suppress(OSError):
                if not _is_alive(folder) and not self._delete_if_old(folder):
                    delete_input(folder)  # of a job that was killed while no worker of its own was there to see it

    def _delete_if_old(self, folder: Path) -> bool:
        """Delete a job that ended longer ago than results are kept; tell whether it is gone."""
        try:
            age = time.time() - folder.stat().st_mtime
        except FileNotFoundError:  # another worker was faster
            return True
        if age <= self.tasks.keep_seconds or _is_alive(folder):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True


def _reap(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Leave no zombie, and nothing of what a job was given that ran out of time or memory."""
    process.wait()
    delete_input(folder)


def delete_input(folder: Path) -> None:
    """Delete what a job was given, which nobody needs once it has ended."""
    for name in (EMBEDDINGS, IMAGES):
        (folder / name).unlink(missing_ok=True)


def read_packed(path: Path) -> list[File]:
    """Read images that wait for a job."""
    with zipfile.ZipFile(path) as archive:
        names = json.loads(archive.read("names"))
        return [File(name, archive.read(str(i))) for i, name in enumerate(names)]


def _pack(path: Path, files: Sequence[File]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("names", json.dumps([file.name for file in files]))
        for i, file in enumerate(files):
            archive.writestr(str(i), file.content)


def write_json(path: Path, value: Any) -> None:
    """Write a value that readers see whole."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value), encoding="utf-8")


def _is_alive(folder: Path) -> bool:
    try:
        with (folder / ALIVE).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
