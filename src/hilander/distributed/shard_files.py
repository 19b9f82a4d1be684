"""Which files at a path or a URL are shards of embeddings, and how one is opened."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hilander.data.errors import DataError, some

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_SUFFIXES = (".npy", ".parquet")
_VERSIONS = (  # what file systems tell of a file's content, or of when it changed
    *("ETag", "etag", "md5Hash", "Content-MD5", "Digest", "sha", "blob_id"),
    *("LastModified", "last_modified", "Last-Modified", "mtime", "modificationTime", "modified", "modify", "updated"),
    "created",
)
_FILES_AT_ONCE = 16  # that are asked for side by side


def is_url(place: str) -> bool:
    """Return whether fsspec is needed to open `place`."""
    return "://" in place


def open_shard(shard: str) -> BinaryIO:
    """Open a file on this machine or behind a URL for reading."""
    if not is_url(shard):
        return Path(shard).open("rb")
    import fsspec

    fs, path = fsspec.core.url_to_fs(shard)
    return fs.open(path, "rb")


def list_shards(place: str) -> dict[str, list[str]]:
    """Return what tells each shard at a place from a changed one, by absolute path or URL, sorted.

    Parameters
    ----------
    place : str
        As in `hilander.distributed.source.Source.open`.

    Raises
    ------
    DataError
        Nothing there, a link that leads nowhere, or several formats side by side.
    ImportError
        `place` is a URL, and fsspec or what it needs for it is not installed.
    """
    found = list_files(place)
    shards = {shard: found[shard] for shard in sorted(found) if _is_shard(shard)}
    if not shards:
        raise DataError(
            f"expected .npy or .parquet files of embeddings in {place}, found {some(sorted(found)) or 'none'}"
        )
    suffixes = {suffix for suffix in _SUFFIXES for shard in shards if shard.endswith(suffix)}
    if len(suffixes) > 1:
        raise DataError(
            f"expected shards of one format in {place}, found .npy and .parquet side by side; give a pattern such as "
            f"{place.rstrip('/')}/*.npy"
        )
    return shards


def list_files(place: str) -> dict[str, list[str]]:
    """Return what `list_shards` does, of all files at a place, whatever they are."""
    is_pattern = glob.has_magic(place)
    if is_url(place) and not place.startswith("file://"):
        return _list_remote(place, is_pattern)
    local = Path(place.removeprefix("file://")).absolute()
    named = [local] if local.exists() else list(Path(local.anchor).glob(str(local.relative_to(local.anchor))))
    paths = list(local.iterdir()) if local.is_dir() else named
    return {str(path): _local_version(path) for path in paths if not path.is_dir()}


def _local_version(path: Path) -> list[str]:
    if path.is_file():
        stat = path.stat()
        return [str(stat.st_size), str(stat.st_mtime_ns)]
    if _is_shard(str(path)):  # passed over, its rows would be missing without a word
        raise DataError(f"{path} is no file, nor a link that leads to one; mend it, or take it away")
    return []


def _list_remote(url: str, is_pattern: bool) -> dict[str, list[str]]:
    try:
        import fsspec
    except ImportError as error:
        raise ImportError("fsspec is not installed, which opens URLs; pip install 'hilander[dask]'") from error
    fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    try:
        if is_pattern:
            infos = list(fs.glob(root, detail=True).values())
        else:
            itself = [fs.info(root)] if _is_shard(root) else []  # some file systems list no single file
            infos = itself if itself and itself[0]["type"] == "file" else fs.ls(root, detail=True)
    except FileNotFoundError:
        infos = []
    files = [info for info in infos if info["type"] == "file"]
    as_url = _namer(fs, url)
    with ThreadPoolExecutor(_FILES_AT_ONCE) as threads:
        versions = list(threads.map(lambda info: _version(fs, info), files))
    return {as_url(info["name"]): version for info, version in zip(files, versions, strict=True)}


def _version(fs: AbstractFileSystem, info: dict[str, Any]) -> list[str]:
    """Size and version of a file; one that is known from a page of links alone, as over HTTP, is asked for."""
    if _is_shard(info["name"]) and all(info.get(name) is None for name in _VERSIONS):
        info = fs.info(info["name"])
    version = next((info[name] for name in _VERSIONS if info.get(name) is not None), "")
    return [str(info.get("size")), str(version)]


def _namer(fs: AbstractFileSystem, place: str) -> Callable[[str], str]:
    """Return what makes URLs of names found at a place: these lack the host, as that of ``sftp://host/folder``."""
    import fsspec

    magic = re.search(r"[*?[]", place)
    folder = place[: magic.start()].rpartition("/")[0] if magic else place.rstrip("/")
    if "://" not in folder or "::" in folder:
        return fs.unstrip_protocol
    root = fsspec.core.url_to_fs(folder)[1].rstrip("/")
    return lambda name: folder + name[len(root) :] if name.startswith(root) else fs.unstrip_protocol(name)


def _is_shard(shard: str) -> bool:
    stem, _, suffix = shard.rpartition("/")[2].rpartition(".")
    return f".{suffix}" in _SUFFIXES and not stem.endswith("labels") and not stem.startswith(".")
