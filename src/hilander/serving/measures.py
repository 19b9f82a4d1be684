"""Prometheus gauges of what BentoML cannot see: rows captured and lost, and how full the queues are."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hilander.serving.background import in_background
from hilander.serving.serving import Serving

if TYPE_CHECKING:
    from prometheus_client import Gauge

_SECONDS = 1.0
_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # that prometheus_client shares between processes; BentoML sets it
_OF_A_LIVING_PROCESS = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


@contextlib.asynccontextmanager
async def measuring(serving: Serving) -> AsyncIterator[None]:
    """Keep this worker's gauges up to date; any worker can then be asked for those of all."""
    _forget_killed_workers()
    _set(serving)
    async with in_background(_keep_setting(serving)):
        yield


def _forget_killed_workers() -> None:
    """Drop the gauges of workers that no longer live: one that was killed would run its last requests for ever.

    Counters stay, since what was counted was done. Whoever starts in such a worker's place calls this.
    """
    if not (folder := os.environ.get(_FOLDER_VARIABLE)):
        return
    from prometheus_client.multiprocess import mark_process_dead

    for path in Path(folder).glob("gauge_live*.db"):
        name = _OF_A_LIVING_PROCESS.fullmatch(path.name)
        if name is not None and not _is_alive(int(name[1])):
            with contextlib.suppress(FileNotFoundError):  # another worker that starts was faster
                mark_process_dead(int(name[1]))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


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
