"""Prometheus gauges of what BentoML cannot see: rows captured and lost, and how full the queues are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import cache
from typing import TYPE_CHECKING

from hilander.serving.serving import Serving

if TYPE_CHECKING:
    from prometheus_client import Gauge

_SECONDS = 1.0


@contextlib.asynccontextmanager
async def measuring(serving: Serving) -> AsyncIterator[None]:
    """Keep this worker's gauges up to date; any worker can then be asked for those of all."""
    _set(serving)
    task = asyncio.create_task(_keep_setting(serving))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _keep_setting(serving: Serving) -> None:
    while True:
        await asyncio.sleep(_SECONDS)
        _set(serving)


def _set(serving: Serving) -> None:
    captured, requests, held = _gauges()
    for name, count in serving.capture.counters.items():
        captured.labels(what=name).set(count)
    for lane in (serving.lane, serving.short_lane):
        requests.labels(lane=lane.name).set(lane.taken)
    held.set(serving.bytes_in_flight.held)


@cache
def _gauges() -> tuple[Gauge, Gauge, Gauge]:
    # Imported once a worker has set the folder that prometheus_client shares between processes, and no earlier.
    from prometheus_client import Gauge

    return (
        Gauge("hilander_capture", "Rows and parts of the capture store", ["what"], multiprocess_mode="sum"),
        Gauge("hilander_requests", "Requests running or waiting", ["lane"], multiprocess_mode="livesum"),
        Gauge("hilander_bytes_in_flight", "Bytes of bodies held in memory", multiprocess_mode="livesum"),
    )
