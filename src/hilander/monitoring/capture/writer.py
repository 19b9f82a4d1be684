"""Write incoming embeddings and their clusters away in the background; a request never waits and never fails for it."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike

from hilander.monitoring.capture.batch import Batch, as_table
from hilander.monitoring.capture.store import CaptureStore

logger = logging.getLogger(__name__)


class CaptureWriter:
    """Captures embeddings, clusters and probabilities in Parquet parts; never the images.

    A daemon thread does all the writing. `put` copies rows into a bounded queue and returns; what does not fit is
    sampled at random and the rest counted as dropped. A disk that is full or gone is counted too, and written to
    again as soon as it is back. Several processes may write to one URL.

    Parameters
    ----------
    url : str
        Folder, or any URL that fsspec opens.
    max_rows_per_part : int
        A part is written when so many rows wait …
    max_seconds_per_part : float
        … or when the first of them has waited so long.
    max_bytes : int
        Of the whole store: the oldest parts are deleted beyond it.
    max_age_days : float
        Older parts are deleted.
    queue_rows : int
        Rows held in memory at most, those being written included.
    enabled : bool
        ``False`` turns `put` into nothing.

    Attributes
    ----------
    counters : dict of str to int
        ``rows_captured`` (in the store), ``rows_dropped`` (did not fit the queue), ``rows_lost`` (their part could not
        be written), ``rows_rejected`` (not embeddings with labels at all), ``parts_written``, ``parts_deleted``,
        ``write_failures``. A copy.

    Raises
    ------
    ImportError, ValueError
        No store can be made of this URL: said when the service starts, not when it runs.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with CaptureWriter(folder) as capture:
    ...         capture.put(np.eye(3), labels=[0, 0, -1], probabilities=[0.9, 0.8, 0.2], model_version="1")
    ...     capture.counters["rows_captured"]
    3
    """

    def __init__(
        self,
        url: str,
        *,
        max_rows_per_part: int = 10_000,
        max_seconds_per_part: float = 60.0,
        max_bytes: int = 2**30,
        max_age_days: float = 30.0,
        queue_rows: int = 50_000,
        enabled: bool = True,
    ) -> None:
        if min(max_rows_per_part, queue_rows) < 1 or min(max_seconds_per_part, max_bytes, max_age_days) <= 0:
            raise ValueError(
                "max_rows_per_part, max_seconds_per_part, max_bytes, max_age_days and queue_rows must be positive; got "
                f"{max_rows_per_part}, {max_seconds_per_part}, {max_bytes}, {max_age_days}, {queue_rows}. To capture "
                "nothing, say enabled=False"
            )
        self.url, self.enabled = url, enabled
        self.max_rows_per_part, self.max_seconds_per_part = max_rows_per_part, max_seconds_per_part
        self.max_bytes, self.max_age, self.queue_rows = max_bytes, timedelta(days=max_age_days), queue_rows
        self._store = CaptureStore(url) if enabled else None
        self._changed = threading.Condition()  # guards all that follows; never held while a part is written
        self._queue: deque[Batch] = deque()
        self._queued = self._writing = 0  # rows, those reserved by a `put` that is under way included
        self._oldest = 0.0  # when the first row that waits came, by the monotonic clock
        self._closing = False
        self._thread: threading.Thread | None = None
        self._random = np.random.default_rng()
        self._failing = False
        self._counters = dict.fromkeys(
            ("rows_captured", "rows_dropped", "rows_lost", "rows_rejected", "parts_written", "parts_deleted",
             "write_failures"), 0
        )  # fmt: skip

    @property
    def counters(self) -> dict[str, int]:
        """A copy of all counters."""
        with self._changed:
            return dict(self._counters)

    def put(
        self,
        embeddings: ArrayLike,
        labels: ArrayLike | None,
        probabilities: ArrayLike | None,
        model_version: str,
    ) -> None:
        """Queue the rows of one request; never waits for the disk, never raises.

        Parameters
        ----------
        embeddings : array-like of shape (n, d)
            Copied: the caller may go on changing it.
        labels : array-like of shape (n,), optional
            Clusters; -1 for none of them, and for all where they were not asked for.
        probabilities : array-like of shape (n,), optional
            How sure; NaN where not asked for.
        model_version : str
            Of the release that answered.
        """
        if not self.enabled:
            return
        try:
            self._put(embeddings, labels, probabilities, model_version)
        except Exception as error:  # whatever went wrong, the request goes on
            logger.warning("a request was not captured: %s", error)
            with self._changed:
                self._counters["rows_rejected"] += len(embeddings) if isinstance(embeddings, np.ndarray) else 1

    def close(self, timeout: float = 30.0) -> None:
        """Write what waits and stop; gives up after `timeout` seconds if the disk hangs. `put` is then a no-op."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                logger.warning("capture to %s did not finish within %g s; rows may be lost", self.url, timeout)

    def __enter__(self) -> CaptureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(
        self, embeddings: ArrayLike, labels: ArrayLike | None, probabilities: ArrayLike | None, model_version: str
    ) -> None:
        rows = np.asarray(embeddings)
        if rows.ndim != 2:
            raise ValueError(f"embeddings must have shape (n, d); got {rows.shape}")
        n = len(rows)
        clusters = np.full(n, -1) if labels is None else np.asarray(labels)
        sure = np.full(n, np.nan) if probabilities is None else np.asarray(probabilities)
        if clusters.shape != (n,) or sure.shape != (n,):
            raise ValueError(f"labels and probabilities must have shape ({n},); got {clusters.shape}, {sure.shape}")
        with self._changed:
            room = 0 if self._closing else max(0, self.queue_rows - self._queued - self._writing)
            kept = min(n, room)
            self._counters["rows_dropped"] += n - kept
            self._queued += kept  # reserved, so that the copying below needs no lock
        if kept == 0:
            return
        try:
            take = slice(None) if kept == n else np.sort(self._random.choice(n, kept, replace=False, shuffle=False))
            batch = Batch(
                datetime.now(UTC),
                str(model_version),
                np.array(rows[take], np.float32, order="C"),
                np.array(clusters[take], np.int64),
                np.array(sure[take], np.float32),
            )
            if not (np.isfinite(batch.embeddings).all() and batch.embeddings.any(axis=1).all()):
                raise ValueError(
                    "its embeddings hold NaN, infinity or a row of zeros, and no window with one is judged"
                )
        except BaseException:
            with self._changed:
                self._queued -= kept
            raise
        with self._changed:
            if not self._queue:
                self._oldest = time.monotonic()
            self._queue.append(batch)
            if self._thread is None or not self._thread.is_alive():  # at the first row, and after a fork
                self._thread = threading.Thread(target=self._run, name="hilander-capture", daemon=True)
                self._thread.start()
            elif len(self._queue) == 1 or self._is_due():
                self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closing and not self._is_due():
                    waited = time.monotonic() - self._oldest
                    self._changed.wait(self.max_seconds_per_part - waited if self._queue else None)
                batches = self._take()
                if not batches:
                    return  # closing, and nothing is left
            for _, group in itertools.groupby(batches, key=lambda batch: batch.width):
                self._write(list(group))  # one part holds one width
            with self._changed:
                self._writing = 0

    def _is_due(self) -> bool:
        return bool(self._queue) and (
            self._queued >= min(self.max_rows_per_part, self.queue_rows)
            or time.monotonic() - self._oldest >= self.max_seconds_per_part
        )

    def _take(self) -> list[Batch]:
        """Take batches for one part off the queue; at least one where there is one, however large."""
        batches: list[Batch] = []
        n = 0
        while self._queue and n < self.max_rows_per_part:
            batches.append(self._queue.popleft())
            n += len(batches[-1].embeddings)
        self._queued, self._writing = self._queued - n, n
        return batches

    def _write(self, batches: list[Batch]) -> None:
        assert self._store is not None
        n = sum(len(batch.embeddings) for batch in batches)
        try:
            self._store.write(as_table(batches))
            changes = {"rows_captured": n, "parts_written": 1}
            if self._failing:
                logger.warning("capture to %s works again", self.url)
            self._failing = False
        except Exception as error:  # a disk that is full or gone must cost rows only
            changes = {"rows_lost": n, "write_failures": 1}
            if not self._failing:
                logger.warning("capture to %s fails, rows are lost until it works again: %s", self.url, error)
            self._failing = True
        try:
            changes["parts_deleted"] = self._store.prune(self.max_bytes, self.max_age)
        except Exception as error:
            logger.info("old captures in %s could not be deleted: %s", self.url, error)
        with self._changed:
            for name, change in changes.items():
                self._counters[name] += change
