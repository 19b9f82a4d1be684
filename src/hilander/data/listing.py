"""Which files of a folder are data: by suffix, hidden ones left out."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from hilander.data.errors import DataError


def list_files(folder: Path, suffixes: Collection[str], *, deep: bool) -> list[Path]:
    """Return the files of these suffixes in `folder`, and at any depth below it if `deep`: relative to it, sorted.

    Raises
    ------
    DataError
        A path is not UTF-8: it becomes an id or the name of a split, which could not be written later.
    """
    found = list(_walk(folder, suffixes, deep))
    for path in found:
        try:
            str(path).encode("utf-8")
        except UnicodeEncodeError as error:
            raise DataError(f"{folder}: expected paths in UTF-8, got {os.fsencode(path)!r}; rename it") from error
    return sorted(found)


def has_files(folder: Path, suffixes: Collection[str]) -> bool:
    """Return whether there is a file of these suffixes in `folder` or below; looks no further than the first one."""
    return next(_walk(folder, suffixes, deep=True), None) is not None


def _walk(folder: Path, suffixes: Collection[str], deep: bool) -> Iterator[Path]:
    seen = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        stat = Path(root).stat()
        if (stat.st_dev, stat.st_ino) in seen:  # a link back to a folder above
            folders[:] = []
            continue
        seen.add((stat.st_dev, stat.st_ino))
        folders[:] = [name for name in folders if deep and not name.startswith(".")]
        here = Path(root).relative_to(folder)
        yield from (here / f for f in files if Path(f).suffix.lower() in suffixes and not f.startswith("."))
