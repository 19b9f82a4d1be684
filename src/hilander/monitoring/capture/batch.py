"""Captured rows on their way from a request to a part of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hilander.monitoring.capture.store import SCHEMA


@dataclass(frozen=True)
class Batch:
    """Rows of one request.

    Attributes
    ----------
    time : datetime
        When they came, UTC.
    model_version : str
        Of the release that answered.
    embeddings : ndarray of shape (n, d), float32
    labels : ndarray of shape (n,), int64
        Clusters, -1 for none.
    probabilities : ndarray of shape (n,), float32
        How sure; NaN where not asked for.
    """

    time: datetime
    model_version: str
    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def width(self) -> int:
        """Of the embeddings (d)."""
        return self.embeddings.shape[1]


def as_table(batches: list[Batch]) -> pa.Table:
    """Return batches of one width as the rows of one part, by the time when they came."""
    batches = sorted(batches, key=lambda batch: batch.time)
    sizes = [len(batch.embeddings) for batch in batches]
    embeddings = np.concatenate([batch.embeddings for batch in batches])  # (n, d)
    offsets = pa.array(np.arange(len(embeddings) + 1) * embeddings.shape[1], pa.int32())
    times = np.repeat(np.array([batch.time.replace(tzinfo=None) for batch in batches], "datetime64[us]"), sizes)
    columns = [
        pa.array(times).cast(SCHEMA.field("time").type),
        pa.array(np.repeat(np.array([batch.model_version for batch in batches], object), sizes), pa.string()),
        pa.ListArray.from_arrays(offsets, pa.array(embeddings.ravel())),
        pa.array(np.concatenate([batch.labels for batch in batches])),
        pa.array(np.concatenate([batch.probabilities for batch in batches])),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
