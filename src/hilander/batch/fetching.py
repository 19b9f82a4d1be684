"""Bring a source to this machine: a local path as it is, anything else by fsspec, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tqdm import tqdm

from hilander.batch.redaction import redact

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

logger = logging.getLogger(__name__)

_MARK = ".fetched.json"  # hidden, so that no reader takes it for data
_FILES_AT_ONCE = 64  # file systems that can, download so many side by side
_CANNOT_PASS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ValueError, TypeError)
_CAN_PASS_BY_NAME = {"aiohttp.client_exceptions.ClientError", "botocore.exceptions.HTTPClientError"}


class FetchError(OSError):
    """A download failed for a reason that can pass: try again."""


class SourceError(ValueError):
    """A source is not there, not allowed, or cannot be understood: trying again changes nothing."""


def fetch(source: str | Path, folder: str | Path, *, show_progress: bool = False) -> Path:
    """Return where the source lies on this machine, downloading it where it is a URL.

    A download appears under `folder` once it is whole. One that failed keeps the files that had arrived, and the
    next call for the same source carries on from there; a finished one is used again. So give every run a `folder`
    of its own.

    Parameters
    ----------
    source : str or Path
        A path, or a URL that fsspec opens (``s3://``, ``gs://``, ``https://``, ``file://``, …) of one file, or of a
        folder (over HTTP: ending in ``/``, with an index page that links the files). Credentials come from where
        the file system's driver looks for them (environment, ``~/.config/fsspec``) or from the URL.
    folder : str or Path
        Where a download goes.
    show_progress : bool
        Draw a progress bar.

    Returns
    -------
    Path
        `source` itself where it is a path; else the downloaded file, or `folder` where the source is a folder.

    Raises
    ------
    FetchError
        A fault that can pass: no connection, a time limit, a busy server, a download cut short.
    SourceError
        Not found, not allowed, no such protocol, nothing in it.
    ImportError
        fsspec, or the driver of this protocol, is not installed.

    Notes
    -----
    No message bears the URL's secrets, and no exception is chained to one that does.
    """
    source, folder = os.fspath(source), Path(folder)
    if "://" not in source:
        if not Path(source).exists():
            raise SourceError(f"expected data in {source}, found no such file or folder")
        return Path(source)
    digest = hashlib.sha256(source.encode()).hexdigest()
    if (folder / _MARK).is_file():
        return _finished(folder, digest)
    fault: Exception
    try:
        return _download(source, folder, digest, show_progress)
    except Exception as error:
        fault = _as_fault(error, source)
    raise fault  # here rather than above, so that no traceback shows the original with its secrets


def _download(source: str, folder: Path, digest: str, show_progress: bool) -> Path:
    filesystem, root = _open(source)
    filesystem.invalidate_cache()
    files, is_folder = _list_files(filesystem, root, source)
    partial = folder.with_name(f".{folder.name}-{digest[:12]}")
    missing = [name for name, (_, size) in files.items() if not _is_whole(partial / name, size)]
    logger.info("fetching %d of %d files of %s", len(missing), len(files), redact(source))
    with tqdm(total=len(missing), desc="fetching", unit="file", disable=not show_progress) as progress:
        for start in range(0, len(missing), _FILES_AT_ONCE):
            names = missing[start : start + _FILES_AT_ONCE]
            _get_whole(filesystem, {partial / name: files[name] for name in names}, show_progress and not is_folder)
            progress.update(len(names))
    for path in [path for path in partial.rglob("*") if path.is_file()]:
        if path.relative_to(partial).as_posix() not in files:
            path.unlink()  # it came in an earlier attempt, and is no longer in the source
    entry = "." if is_folder else next(iter(files))
    (partial / _MARK).write_text(json.dumps({"digest": digest, "entry": entry}), encoding="utf-8")
    partial.replace(folder)
    return folder / entry


def _open(source: str) -> tuple[AbstractFileSystem, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError("fsspec is not installed; pip install 'hilander[orchestration]'") from error
    options: dict[str, Any] = {}
    if source.startswith(("http://", "https://")):
        import aiohttp

        # The default gives up after five minutes in all, however well a large download gets on.
        options["client_kwargs"] = {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)}
    return url_to_fs(source, **options)


def _list_files(
    filesystem: AbstractFileSystem, root: str, source: str
) -> tuple[dict[str, tuple[str, int | None]], bool]:
    """Return remote path and size of every file by its name below the source, and whether the source is a folder."""
    over_http = root.startswith(("http://", "https://"))  # whose info() calls every fault "not found"
    is_folder = source.endswith("/") if over_http else filesystem.info(root)["type"] == "directory"
    if not is_folder:
        name = PurePosixPath(urlsplit(root).path if over_http else root).name
        size = None if over_http else filesystem.info(root).get("size")
        return {_checked(name or "data"): (root, size)}, False
    base = root.rstrip("/") + "/"
    found = _find(filesystem, root)
    files = {
        _checked(path.removeprefix(base)): (path, info.get("size"))
        for path, info in sorted(found.items())
        if not any(part.startswith(".") and part != ".." for part in path.removeprefix(base).split("/"))
    }
    if not files:
        raise SourceError(f"expected files in {redact(source)}, found none")
    return files, True


def _find(filesystem: AbstractFileSystem, root: str) -> dict[str, dict[str, Any]]:
    """What the file system says of every file below a folder.

    fsspec's own `find` goes on without a folder that it cannot list, and what lies in it would be missing. Stores that
    list all that begins with a prefix at once do not.
    """
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

    kind = type(filesystem)
    is_general = (
        kind._find is AsyncFileSystem._find
        if isinstance(filesystem, AsyncFileSystem)
        else kind.find is AbstractFileSystem.find
    )
    if not is_general:
        return filesystem.find(root, detail=True)
    found, folders = {}, [root]
    while folders:
        folder = folders.pop()
        try:
            listed = filesystem.ls(folder, detail=True)
        except FileNotFoundError:  # it went meanwhile
            continue
        for info in listed:
            if info["type"] != "directory":
                found[info["name"]] = info
            elif info["name"].rstrip("/") != folder.rstrip("/"):  # what marks a folder as one
                folders.append(info["name"])
    return found


def _checked(name: str) -> str:
    """Refuse names that would leave the folder: a store may hold any."""
    if name.startswith("/") or "://" in name or ".." in name.split("/"):
        raise SourceError(f"the source holds a file named {redact(name)!r}, which lies outside of it; remove it there")
    return name


def _get_whole(filesystem: AbstractFileSystem, files: dict[Path, tuple[str, int | None]], show_bytes: bool) -> None:
    """Download beside each path, and give each file its name once it is whole: what fails alone is fetched again."""
    from fsspec.callbacks import NoOpCallback, TqdmCallback

    from hilander.batch.arrivals import Arrivals

    halves = {path.with_name(f"{path.name}.part"): path for path in files}
    for half in halves:
        half.parent.mkdir(parents=True, exist_ok=True)

    def name_whole(half: Path) -> None:
        path = halves[half]
        size = files[path][1]
        if not _is_whole(half, size):
            got = half.stat().st_size if half.is_file() else 0
            raise FetchError(f"the download of {path.name} ended after {got} of {size} bytes; try again")
        half.replace(path)

    if len(files) == 1:
        [half], [(remote, _)] = halves, files.values()
        shown = {"desc": half.stem, "unit": "B", "unit_scale": True, "leave": False}
        callback = TqdmCallback(tqdm_kwargs=shown) if show_bytes else NoOpCallback()
        filesystem.get_file(remote, str(half), callback=callback)
        name_whole(half)
        return
    arrivals = Arrivals(name_whole, side_by_side=filesystem.async_impl)
    filesystem.get([remote for remote, _ in files.values()], [str(half) for half in halves], callback=arrivals)
    for fault in sorted(arrivals.faults, key=_can_pass)[:1]:  # one that cannot pass says that trying again is no use
        raise fault


def _is_whole(path: Path, size: int | None) -> bool:
    return path.is_file() and (size is None or path.stat().st_size == size)


def _finished(folder: Path, digest: str) -> Path:
    known = json.loads((folder / _MARK).read_text(encoding="utf-8"))
    if known["digest"] != digest:
        raise SourceError(f"{folder} holds the download of another source; name another folder for this one")
    return folder / known["entry"]


def _as_fault(error: Exception, source: str) -> Exception:
    """What the caller gets: the kind says whether a retry can help, and the message is free of secrets."""
    if isinstance(error, FetchError | SourceError):
        return error
    shown, said = redact(source), redact(error, secrets_of=source)
    if isinstance(error, ImportError):
        return ImportError(f"{shown} cannot be opened: {said}")
    if isinstance(error, FileNotFoundError):
        return SourceError(f"expected data at {shown}, found nothing there")
    if _can_pass(error):
        return FetchError(f"fetching {shown} failed: {type(error).__name__}: {said}; try again")
    return SourceError(f"{shown} cannot be fetched: {type(error).__name__}: {said}")


def _can_pass(error: Exception) -> bool:
    status = getattr(error, "status", None)  # of an HTTP response
    if isinstance(status, int):
        return status in (408, 425, 429) or status >= 500
    if isinstance(error, _CANNOT_PASS):
        return False
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    return isinstance(error, OSError | EOFError) or bool(names & _CAN_PASS_BY_NAME)
