"""A mixed load on two workers: whether every request is answered, whether memory grows, and what a kill costs."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq

from benchmarks.serving.client import in_threads, send
from benchmarks.serving.requests import JSON, NPY, Request, as_json, as_npy, blobs, catalogue_like, picture
from benchmarks.serving.server import tree_memory, workers_of
from hilander.releases import Release

_CLIENTS = 8
_GOOD_SHARE = 0.9
_REQUESTS_PER_CONNECTION = 5  # then comes a new one, perhaps to the other worker


@dataclass
class Load:
    """What was sent and how it was answered.

    Attributes
    ----------
    statuses : Counter
        By "good" or "hostile" and the status, or what became of a request without one.
    memory : list of (float, float)
        Requests so far and MiB of all processes of the service, every five seconds.
    """

    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def run(self, url: str, release: Release, seconds: float) -> None:
        """Send good and hostile requests from eight clients."""
        kinds = {"good": _good(release), "hostile": _hostile()}
        deadline = time.monotonic() + seconds

        def send_on() -> None:
            chooser = random.Random(threading.get_ident())
            while time.monotonic() < deadline:
                with httpx.Client(base_url=url, timeout=120) as client:
                    for _ in range(_REQUESTS_PER_CONNECTION):
                        kind = "good" if chooser.random() < _GOOD_SHARE else "hostile"
                        self.statuses[kind, send(client, chooser.choice(kinds[kind]))] += 1

        def watch() -> None:
            while time.monotonic() < deadline:
                self.memory.append((self.statuses.total(), tree_memory(url)))
                time.sleep(min(5.0, seconds / 40))

        watcher = threading.Thread(target=watch)
        watcher.start()
        in_threads(_CLIENTS, send_on)
        watcher.join()

    def counts(self) -> dict[str, float]:
        """Requests by kind and status."""
        return {f"{kind}, {status}": float(count) for (kind, status), count in sorted(self.statuses.items())}


def mixed_load(url: str, release: Release, seconds: float) -> dict[str, float]:
    """Load two workers for long: every request is to be answered, and memory to be flat in the number of requests."""
    load = Load()
    load.run(url, release, seconds)
    requests, memory = np.array(load.memory).T
    tenth = max(len(memory) // 10, 1)
    settled = slice(tenth, None)  # the first tenth loads what is loaded at its first use
    slope = np.polyfit(requests[settled], memory[settled], 1)[0]
    lost = sum(count for (_, status), count in load.statuses.items() if not status.isdigit())
    failed = sum(count for (_, status), count in load.statuses.items() if status.isdigit() and int(status) >= 500)
    return {"minutes": seconds / 60, "clients": _CLIENTS, "requests": load.statuses.total(), **load.counts(),
            "lost": lost, "answered 5xx": failed,
            "MiB in the second tenth": float(memory[tenth : 2 * tenth].mean()),
            "MiB half-way": float(memory[len(memory) // 2 :][:tenth].mean()),
            "MiB in the last tenth": float(memory[-tenth:].mean()), "MiB at most": float(memory.max()),
            "MiB more for 1,000 requests": 1e3 * float(slope)}  # fmt: skip


def kill_a_worker(url: str, release: Release, captured: Path, seconds: float) -> dict[str, float]:
    """Kill the busier of two workers half-way: the other goes on, it comes back, and nothing captured is torn."""
    load, back = Load(), [np.nan]

    def kill() -> None:
        time.sleep(seconds / 2)
        before = workers_of(url)
        max(before, key=lambda worker: sum(worker.cpu_times()[:2])).kill()  # the busier one
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            new = {worker.pid for worker in workers_of(url)} - {worker.pid for worker in before}
            if new and len(workers_of(url)) >= len(before):
                back[0] = time.monotonic() - started
                return
            time.sleep(0.1)

    killer = threading.Thread(target=kill)
    killer.start()
    load.run(url, release, seconds)
    killer.join()
    time.sleep(8)  # the last rows are written
    parts = list(captured.glob("*.parquet"))
    whole = sum(_is_whole(part) for part in parts)
    lost = sum(count for (_, status), count in load.statuses.items() if not status.isdigit())
    return {"minutes": seconds / 60, "clients": _CLIENTS, "requests": load.statuses.total(), **load.counts(),
            "lost with the killed worker": lost, "seconds until it was back": back[0],
            "captured parts": len(parts), "torn parts": len(parts) - whole}  # fmt: skip


def _is_whole(part: Path) -> bool:
    try:
        return pq.read_table(part).num_rows > 0
    except Exception:
        return False


def _good(release: Release) -> list[Request]:
    return [
        ("/assign", as_json(catalogue_like(release, 3)), JSON),
        ("/assign", as_npy(catalogue_like(release, 100)), NPY),
        ("/cluster", as_npy(blobs(500)), NPY),
        ("/cluster", as_json(blobs(50)), JSON),
        ("/encode", picture(), "image/png"),
    ]


def _hostile() -> list[Request]:
    return [
        ("/cluster", b"[" * 10_000, JSON),
        ("/cluster", b'{"embeddings": [[NaN]]}', JSON),
        ("/assign", as_npy(blobs(100))[:-7], NPY),
        ("/encode", os.urandom(5_000), "image/png"),
        ("/encode", picture()[:-40], "image/png"),
    ]
