"""Which files of a folder are data: by suffix, hidden ones left out."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from hilander.data.errors import DataError

_OF_THE_SYSTEM = "lost+found"  # at the root of a disk; nobody but the system may read it
_PROTOCOL = re.compile(r"[A-Za-z][\w+.-]+:")  # one letter alone is no protocol


def list_files(folder: Path, suffixes: Collection[str], *, deep: bool) -> list[Path]:
    """Return the files of these suffixes in `folder`, and at any depth below it if `deep`: relative to it, sorted.

    Raises
    ------
    DataError
        A path is not UTF-8: it becomes an id or the name of a split, which could not be written later. Or a folder
        cannot be read, whose files would be missing.
    """
    found = list(_walk(folder, suffixes, deep))
    for path in found:
        try:
            str(path).encode("utf-8")
        except UnicodeEncodeError as error:
            raise DataError(f"{folder}: expected paths in UTF-8, got {os.fsencode(path)!r}; rename it") from error
    return sorted(found)


def list_folder(folder: Path) -> list[tuple[Path, bool]]:
    """Return all that lies in `folder`, sorted, each with whether it is a folder or a link to one.

    Raises
    ------
    DataError
        It cannot be read; one that is not there is empty.
    """
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    is_folder = entry.is_dir()
                except OSError:  # a link to itself, say, as `os.walk` has it
                    is_folder = False
                found.append((folder / entry.name, is_folder))
    except OSError as error:
        _refuse(error)
    return sorted(found)


def has_files(folder: Path, suffixes: Collection[str]) -> bool:
    """Return whether there is a file of these suffixes in `folder` or below; looks no further than the first one."""
    return next(_walk(folder, suffixes, deep=True), None) is not None


def names_url(path: Path) -> bool:
    """Return whether `path` was written as a URL, of whose slashes a path keeps one, and not as a folder ``s3:``.

    Examples
    --------
    >>> names_url(Path("s3://bucket/faces.npy")), names_url(Path("faces.npy"))
    (True, False)
    """
    return bool(_PROTOCOL.fullmatch(path.parts[0])) and not Path(path.parts[0]).exists() if path.parts else False


def _refuse(error: OSError) -> None:
    """Say that a folder cannot be read; one that is not there is empty."""
    if isinstance(error, FileNotFoundError | NotADirectoryError) or Path(error.filename).name == _OF_THE_SYSTEM:
        return
    raise DataError(
        f"{error.filename} cannot be read ({error.strerror}), and what lies in it would be missing; give access to it, "
        "or move it elsewhere"
    ) from error


def _walk(folder: Path, suffixes: Collection[str], deep: bool) -> Iterator[Path]:
    above: dict[Path, frozenset[tuple[int, int]]] = {}  # by folder: those that it lies in, itself included
    for root, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        here = Path(root)
        stat = here.stat()
        own = (stat.st_dev, stat.st_ino)
        outer = above.get(here.parent, frozenset())
        if own in outer:  # a link back to a folder above; two links to one folder beside are two folders
            folders[:] = []
            continue
        above[here] = outer | {own}
        folders[:] = [name for name in folders if deep and not name.startswith(".")]
        below = here.relative_to(folder)
        yield from (below / f for f in files if Path(f).suffix.lower() in suffixes and not f.startswith("."))
