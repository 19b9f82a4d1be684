"""Which files below a folder fit a pattern, on any file system that can list a folder."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

ANYWHERE = "**"
_FOLDERS_AT_ONCE = 16  # that are listed side by side

_Pattern = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """What lies in a folder.

    Attributes
    ----------
    path : str
    is_folder : bool
    about : object
        What else the file system tells of it.
    """

    path: str
    is_folder: bool
    about: Any = None

    @property
    def name(self) -> str:
        """The last component of the path."""
        return self.path.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes
    ----------
    entries : sequence of Entry
    identity : tuple of int
        What tells the folder from others, where links may lead back to it.
    """

    entries: Sequence[Entry]
    identity: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Visit:
    """A folder that is to be looked into, the patterns that what lies in it may fit, and the folders it lies in."""

    folder: str
    patterns: frozenset[_Pattern]
    outer: frozenset[tuple[int, ...]] = field(default_factory=frozenset)


def split_at_magic(pattern: str) -> tuple[str, list[str]]:
    """Return the folder that a pattern begins with, and its other components.

    Examples
    --------
    >>> split_at_magic("/data/part-*/*.npy")
    ('/data', ['part-*', '*.npy'])
    """
    parts = pattern.split("/")
    begin = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return "/".join(parts[:begin]) or "/", [part for part in parts[begin:] if part]


def matching_files(list_folder: Callable[[str], Listing], folder: str, pattern: Sequence[str]) -> list[Entry]:
    """Return the files below a folder that fit a pattern.

    Left out, unless the pattern writes the like out, are hidden files and folders, and folders such as ``_temporary``:
    what a writer has given up lies there, and its rows would count twice. The ways that libraries expand patterns
    pass over a folder that cannot be listed; here what `list_folder` raises ends it.

    Parameters
    ----------
    list_folder : callable
        From the path of a folder to what lies in it; called by several threads.
    folder : str
    pattern : sequence of str
        One component for each level; ``**`` stands for any number of levels.
    """
    found: dict[str, Entry] = {}
    visits = [_Visit(folder, frozenset(_alternatives(tuple(pattern))))]
    with ThreadPoolExecutor(_FOLDERS_AT_ONCE) as threads:
        while visits:
            following = []
            listings = threads.map(list_folder, [visit.folder for visit in visits])
            for visit, listing in zip(visits, listings, strict=True):
                if listing.identity and listing.identity in visit.outer:  # a link back to a folder above
                    continue
                outer = visit.outer | {listing.identity}
                for entry in listing.entries:
                    left = {rest for each in visit.patterns for rest in _fit(entry, each)}
                    if entry.is_folder and left:
                        following.append(_Visit(entry.path, frozenset(left), outer))
                    elif left:
                        found[entry.path] = entry
            visits = following
    return list(found.values())


def _alternatives(pattern: _Pattern) -> Iterator[_Pattern]:
    """The pattern, and where it may stand for no level, also without that."""
    yield pattern
    if pattern[0] == ANYWHERE and len(pattern) > 1:
        yield from _alternatives(pattern[1:])


def _fit(entry: Entry, pattern: _Pattern) -> Iterator[_Pattern]:
    """Yield what is left of a pattern for what lies in a folder that fits; of a file that fits the pattern itself."""
    first, rest = pattern[0], pattern[1:]
    if not fnmatchcase(entry.name, "*" if first == ANYWHERE else first):
        return
    if entry.name.startswith((".", "_") if entry.is_folder else ".") and first[0] != entry.name[0]:
        return
    if first == ANYWHERE and entry.is_folder:
        yield from _alternatives(pattern)
    elif entry.is_folder and rest:
        yield from _alternatives(rest)
    elif not entry.is_folder and not rest:
        yield pattern
