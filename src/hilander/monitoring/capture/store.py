"""The capture store: Parquet parts on any fsspec URL, whole or not there, named by the time that they cover."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("us", tz="UTC")),
        ("model_version", pa.string()),
        ("embedding", pa.list_(pa.float32())),
        ("cluster", pa.int64()),
        ("probability", pa.float32()),
    ]
)
_TIME = "%Y%m%dT%H%M%S%f"
_PART = re.compile(r"(\d{8}T\d{12})_(\d{8}T\d{12})_[0-9a-f]{32}\.parquet")
_TEMPORARY = re.compile(rf"\.{_PART.pattern}\.tmp")
_TORN_AFTER = timedelta(hours=1)  # a temporary file this old was left by a process that died
_SKEW = timedelta(days=1)  # as far as the clocks of machines may differ


@dataclass(frozen=True)
class Part:
    """One file of the store and the time from its first row to its last."""

    path: str
    first: datetime
    last: datetime
    n_bytes: int


class CaptureStore:
    """Parts under one URL; several processes may write and prune at once.

    Parameters
    ----------
    url : str
        Folder, or any URL that fsspec opens (``s3://…``, ``gs://…``, ``memory://…``).

    Raises
    ------
    ImportError
        fsspec, or what it needs for this kind of URL, is not installed.
    ValueError
        fsspec does not know this kind of URL.
    """

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise ImportError("fsspec is not installed; pip install 'hilander[monitoring]'") from error
        self.url = url
        # A cached listing would not show the parts of other processes.
        file_system, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        self.file_system: AbstractFileSystem = file_system
        self.root: str = root.rstrip("/")

    def write(self, table: pa.Table) -> None:
        """Add one part under a name that no other writer has; a reader sees all of it or nothing."""
        times = table["time"].combine_chunks()
        first, last = times[0].as_py(), times[-1].as_py()
        name = f"{first:{_TIME}}_{last:{_TIME}}_{uuid.uuid4().hex}.parquet"
        temporary = f"{self.root}/.{name}.tmp"
        try:
            self.file_system.makedirs(self.root, exist_ok=True)
            with self.file_system.open(temporary, "wb") as file:
                pq.write_table(table, file, compression="zstd", use_dictionary=["model_version"])
            self.file_system.mv(temporary, f"{self.root}/{name}")
        except BaseException:
            with suppress(Exception):
                self.file_system.rm_file(temporary)
            raise

    def parts(self) -> tuple[list[Part], list[str]]:
        """Return the parts, oldest first, and the paths of files that are none; nothing where the folder is missing."""
        parts, foreign = [], []
        for path, n_bytes in self._files():
            name = path.rsplit("/", 1)[-1]
            if match := _PART.fullmatch(name):
                parts.append(Part(path, _parse(match[1]), _parse(match[2]), n_bytes))
            elif not name.startswith("."):
                foreign.append(path)
        return sorted(parts, key=lambda part: (part.last, part.path)), foreign

    def prune(self, max_bytes: int, max_age: timedelta) -> int:
        """Delete parts that are too old, then the oldest until the store fits; return how many went.

        Parts of the future count as the oldest: a clock was wrong, and they would push out all that comes.
        """
        now = datetime.now(UTC)
        parts, _ = self.parts()
        excess = sum(part.n_bytes for part in parts) - max_bytes
        n_deleted = 0
        for part in sorted(parts, key=lambda part: part.last <= now + _SKEW):
            if excess <= 0 and now - part.last <= max_age:
                continue
            self._delete(part.path)
            excess -= part.n_bytes
            n_deleted += 1
        for path, _ in self._files():
            match = _TEMPORARY.fullmatch(path.rsplit("/", 1)[-1])
            if match and now - _parse(match[2]) > _TORN_AFTER:
                self._delete(path)
        return n_deleted

    def _files(self) -> list[tuple[str, int]]:
        try:
            listing = self.file_system.ls(self.root, detail=True)
        except FileNotFoundError:
            return []
        return [(entry["name"], entry["size"] or 0) for entry in listing if entry["type"] == "file"]

    def _delete(self, path: str) -> None:
        with suppress(FileNotFoundError):  # another process was quicker
            self.file_system.rm_file(path)


def _parse(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
