"""Write a file or a folder so that readers see the old one or the whole new one, never a half."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UMASK = re.compile(rb"^Umask:\s*([0-7]+)", re.MULTILINE)  # in Linux's /proc/self/status
_asking = threading.Lock()
_LETTERS = 50  # of a name that a temporary one begins with: at 4 bytes each, what follows still fits into 255


class DiskFullError(OSError):
    """What was to be written did not fit; the message names it, and nothing of it is left."""


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the name `path`, on any error it is removed.

    The temporary name keeps the suffix of `path`, since NumPy and Pandas choose or append by it.

    Raises
    ------
    DiskFullError
        There was no room for it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem[:_LETTERS]}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _saying_that_it_is_full(path):
            yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it replaces `path`, on any error it is removed.

    A folder cannot be renamed over another one in a single step, so for an instant there is none at `path`; where the
    new one then fails to take its place, the old one is put back. A link at `path` is replaced, wherever it leads.

    Raises
    ------
    DiskFullError
        There was no room for it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name[:_LETTERS]}-", dir=path.parent))
    try:
        with _saying_that_it_is_full(path):
            yield temporary
        _open_to_others(temporary)
        if os.path.lexists(path):
            retired = Path(tempfile.mkdtemp(prefix=f".{path.name[:_LETTERS]}-old-", dir=path.parent))
            try:
                path.replace(retired / path.name)
                temporary.replace(path)
            except BaseException:
                if not os.path.lexists(path):
                    (retired / path.name).replace(path)
                shutil.rmtree(retired, ignore_errors=True)
                raise
            shutil.rmtree(retired)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save_array(path: Path, array: NDArray) -> None:
    """Write an array as ``.npy``, or raise OSError.

    Given a path, or a file of the system's, NumPy writes past Python, and where the disk fills up within the last
    kilobytes they are lost without an error.
    """
    with path.open("wb") as file:
        np.save(_Bytes(file), array)


class _Bytes:
    """All that NumPy may know of a file that it is to write bytes to."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


@contextmanager
def _saying_that_it_is_full(path: Path) -> Iterator[None]:
    """The system's own message, and that of every library, lacks the name of the file."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        full = DiskFullError(f"{path} could not be written ({os.strerror(error.errno)}); make room and do it again")
        full.errno = error.errno  # not given with the message, or it would stand before that
        raise full from error


def _open_to_others(folder: Path) -> None:
    """Give all in it the modes of new files and folders: temporary ones, and some libraries' files, are the owner's."""
    mask = _umask()
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def _umask() -> int:
    """The process's umask, looked up where the kernel tells it.

    `os.umask` tells it only by setting another one, for all threads: what they write meanwhile would be open to
    everybody, and two that ask at once may leave it so.
    """
    try:
        found = _UMASK.search(Path("/proc/self/status").read_bytes())
    except OSError:
        found = None
    if found is not None:
        return int(found[1], 8)
    with _asking:  # of one thread at a time, where there is no other way
        mask = os.umask(0o077)
        os.umask(mask)
    return mask
