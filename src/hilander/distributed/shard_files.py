"""Which files at a path or a URL are shards of embeddings, and how one is opened."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hilander.data.errors import DataError, some
from hilander.data.listing import list_folder
from hilander.distributed.shard_patterns import ANYWHERE, Entry, Listing, matching_files, split_at_magic

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
        Nothing there, a link that leads nowhere, a folder that cannot be read, a suffix in capital letters, or several
        formats side by side.
    ImportError
        `place` is a URL, and fsspec or what it needs for it is not installed.
    """
    found = list_files(place)
    shards = {shard: found[shard] for shard in sorted(found, key=lambda file: file.split("/")) if _is_shard(shard)}
    if odd := [file for file in sorted(found) if _is_shard(_in_small_letters(file)) and not _is_shard(file)]:
        raise DataError(f"expected the suffix .npy or .parquet in small letters, got {some(odd)}; rename these files")
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
    """Return what `list_shards` does, of all files at a place, whatever they are.

    Of a folder these are the files in it, and the Parquet files in folders below, unless ``.npy`` lie at its top.
    """
    is_pattern = glob.has_magic(place)
    if is_url(place) and not place.startswith("file://"):
        return _list_remote(place, is_pattern)
    local = Path(place.removeprefix("file://")).absolute()
    if local.is_dir():
        entries = _in_folder(_list_local, str(local))
    elif is_pattern and not local.exists():
        entries = matching_files(_list_local, *split_at_magic(local.as_posix()))
    else:
        entries = [Entry(str(local), is_folder=False)] if local.exists() else []
    return {entry.path: _local_version(Path(entry.path)) for entry in entries}


def _in_folder(list_folder: Callable[[str], Listing], folder: str) -> list[Entry]:
    """The files in a folder, and below it those of Parquet, as `hilander.data.parquet` reads them too."""
    files = [entry for entry in list_folder(folder).entries if not entry.is_folder]
    if any(_is_shard(entry.path) and entry.path.endswith(".npy") for entry in files):
        return files
    below = matching_files(list_folder, folder, (ANYWHERE, "*", "*"))
    return files + [entry for entry in below if entry.path.lower().endswith(".parquet")]


def _list_local(folder: str) -> Listing:
    entries = [Entry(str(path), is_folder) for path, is_folder in list_folder(Path(folder))]
    if not any(entry.is_folder for entry in entries):
        return Listing(entries)
    stat = Path(folder).stat()
    return Listing(entries, (stat.st_dev, stat.st_ino))


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
    from fsspec.archive import AbstractArchiveFileSystem

    fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    if isinstance(fs, AbstractArchiveFileSystem):
        raise DataError(f"{url} lies in an archive, whose files are not read in parts; unpack it, and give its folder")

    def list_there(folder: str) -> Listing:
        return _list_by(fs, folder)

    itself = _itself(fs, root) if _is_shard(root) else None
    if itself is not None:
        files = [itself]
    elif is_pattern:
        files = matching_files(list_there, *split_at_magic(root))
    else:
        files = _in_folder(list_there, root)
    as_url = _namer(fs, url)
    with ThreadPoolExecutor(_FILES_AT_ONCE) as threads:
        versions = list(threads.map(lambda file: _version(fs, file.about), files))
    return {as_url(file.path): version for file, version in zip(files, versions, strict=True)}


def _itself(fs: AbstractFileSystem, path: str) -> Entry | None:
    """The file at a path, which some file systems do not list."""
    try:
        info = fs.info(path)
    except FileNotFoundError:
        return None
    return Entry(path, is_folder=False, about=info) if info["type"] == "file" else None


def _list_by(fs: AbstractFileSystem, folder: str) -> Listing:
    try:
        infos = fs.ls(folder, detail=True)
    except FileNotFoundError:
        infos = []
    except OSError as error:
        raise DataError(
            f"{folder} cannot be listed ({error}), and what lies in it would be missing; do it again, or see to it "
            "that it may be listed"
        ) from error
    return Listing(
        [
            Entry(info["name"], is_folder=info["type"] == "directory", about=info)
            for info in infos
            if info["name"].rstrip("/") != folder.rstrip("/")  # some stores list what marks a folder as one
        ]
    )


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
    is_labels = suffix == "npy" and stem.endswith("labels")
    return f".{suffix}" in _SUFFIXES and not is_labels and not stem.startswith(".")


def _in_small_letters(file: str) -> str:
    stem, dot, suffix = file.rpartition(".")
    return stem + dot + suffix.lower()
