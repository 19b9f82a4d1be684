"""Read captured embeddings back, the newest first where not all are wanted."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hilander.monitoring.capture.store import SCHEMA, CaptureStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Captures:
    """Captured rows in order of time.

    Attributes
    ----------
    embeddings : ndarray of shape (n, d), float32
        ``(0, 0)`` where nothing was captured.
    labels : ndarray of shape (n,), int64
        Clusters; -1 for none.
    probabilities : ndarray of shape (n,), float32
    times : ndarray of shape (n,), datetime64[us]
        UTC.
    model_versions : ndarray of shape (n,), object
    """

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    times: NDArray[np.datetime64]
    model_versions: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        span = f", {self.times[0]} … {self.times[-1]} UTC" if len(self) else ""
        return f"Captures({len(self):,} × {self.embeddings.shape[1]}{span})"


def read_captures(
    url: str,
    since: datetime | None = None,
    until: datetime | None = None,
    max_rows: int | None = None,
    model_version: str | Collection[str] | None = None,
) -> Captures:
    """Read the rows of a window of time.

    Files that are torn, or that no `CaptureWriter` made, are skipped with a warning; so are rows of another width
    than the newest ones, which another encoder made.

    Parameters
    ----------
    url : str
        Of the store; where there is none yet, nothing was captured.
    since, until : datetime, optional
        First moment, and the moment after the last; with a time zone.
    max_rows : int, optional
        The newest so many, 1 or more.
    model_version : str or collection of str, optional
        Rows that this release, or one of these, answered.

    Raises
    ------
    ValueError
        A time without a time zone, or `max_rows` below 1.
    """
    if max_rows is not None and max_rows < 1:
        raise ValueError(f"max_rows must be at least 1, got {max_rows}")
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and moment.tzinfo is None:
            raise ValueError(f"{name} must have a time zone; got {moment}. Say datetime.now(UTC), for instance")
    store = CaptureStore(url)
    parts, foreign = store.parts()
    for path in foreign:
        logger.warning("%s is no captured part and was skipped", path)
    found: list[Captures] = []
    n = 0
    for part in reversed(parts):
        if (since is not None and part.last < since) or (until is not None and part.first >= until):
            continue
        if max_rows is not None and n >= max_rows and _moment(part.last) < _oldest_kept(found, max_rows):
            break  # parts of several writers overlap in time: one that ends earlier may hold newer rows
        try:
            with store.file_system.open(part.path, "rb") as file:
                captures = _from_table(_select(pq.read_table(file, schema=SCHEMA), since, until, model_version))
        except (OSError, ValueError, pa.ArrowException) as error:
            logger.warning("%s is torn or was altered, and was skipped: %s", part.path, error)
            continue
        if found and len(captures) and captures.embeddings.shape[1] != found[0].embeddings.shape[1]:
            logger.warning(
                "%s holds embeddings of width %d, newer ones have %d: skipped; ask for one model_version",
                part.path, captures.embeddings.shape[1], found[0].embeddings.shape[1],
            )  # fmt: skip
            continue
        if len(captures):
            found.append(captures)
            n += len(captures)
    return _newest(found, max_rows)


def _select(
    table: pa.Table, since: datetime | None, until: datetime | None, model_version: str | Collection[str] | None
) -> pa.Table:
    if since is not None:
        table = table.filter(pc.field("time") >= pa.scalar(since, SCHEMA.field("time").type))
    if until is not None:
        table = table.filter(pc.field("time") < pa.scalar(until, SCHEMA.field("time").type))
    if model_version is not None:
        versions = [model_version] if isinstance(model_version, str) else list(model_version)
        table = table.filter(pc.field("model_version").isin(pa.array(versions, pa.string())))
    return table


def _from_table(table: pa.Table) -> Captures:
    embeddings = table["embedding"].combine_chunks()
    widths = pc.unique(pc.list_value_length(embeddings)).to_pylist()
    if len(widths) > 1 or None in widths:
        raise ValueError(f"embeddings of one part must have one width; got {widths}")
    return Captures(
        embeddings.flatten().to_numpy(zero_copy_only=False).reshape(len(table), widths[0] if widths else 0),
        table["cluster"].to_numpy(),
        table["probability"].to_numpy(),
        table["time"].cast(pa.timestamp("us")).to_numpy(),
        table["model_version"].to_numpy(zero_copy_only=False),
    )


def _oldest_kept(found: list[Captures], max_rows: int) -> np.datetime64:
    """Time of the oldest row among the newest `max_rows`."""
    times = np.concatenate([captures.times for captures in found])
    return np.partition(times, len(times) - max_rows)[len(times) - max_rows]


def _moment(time: datetime) -> np.datetime64:
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")


def _newest(found: list[Captures], max_rows: int | None) -> Captures:
    if not found:
        return _from_table(SCHEMA.empty_table())
    columns: dict[str, Any] = {
        field.name: np.concatenate([getattr(captures, field.name) for captures in found]) for field in fields(Captures)
    }
    order = np.argsort(columns["times"], kind="stable")[0 if max_rows is None else -max_rows :]
    return Captures(**{name: values[order] for name, values in columns.items()})
