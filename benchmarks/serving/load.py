"""Ask the service, from one client or many, and note how it answers."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import httpx
import numpy as np
import psutil

from benchmarks.serving.requests import JSON, NPY, Request, as_json, as_npy, blobs, catalogue_like
from benchmarks.serving.server import wait_until_ready
from hilander.releases import Release


def measure(url: str, request: Request, clients: int, seconds: float) -> dict[str, float]:
    """Send one request over and over from several clients."""
    milliseconds: list[float] = []
    statuses: Counter[str] = Counter()
    deadline = time.monotonic() + seconds

    def send_on() -> None:
        with httpx.Client(base_url=url, timeout=120) as client:
            while True:
                started = time.perf_counter()
                status = send(client, request)
                statuses[status] += 1
                if status == "200":
                    milliseconds.append(1e3 * (time.perf_counter() - started))
                if time.monotonic() > deadline:
                    return

    started = time.monotonic()
    in_threads(clients, send_on)
    elapsed = time.monotonic() - started
    p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99]) if milliseconds else (np.nan,) * 3
    others = sum(count for status, count in statuses.items() if status not in ("200", "429"))
    return {"p50 ms": p50, "p95 ms": p95, "p99 ms": p99, "per second": len(milliseconds) / elapsed,
            "429": statuses["429"], "failed": others}  # fmt: skip


def overload(url: str, *, quick: bool) -> dict[str, float]:
    """Send three times as much at once as there is room for, and then one more."""
    request = ("/cluster", as_npy(blobs(1_000 if quick else 5_000)), NPY)
    refused: list[float] = []
    statuses: Counter[str] = Counter()

    def send_one() -> None:
        with httpx.Client(base_url=url, timeout=300) as client:
            started = time.perf_counter()
            status = send(client, request)
            statuses[status] += 1
            if status == "429":
                refused.append(1e3 * (time.perf_counter() - started))

    in_threads(51, send_one)
    in_threads(1, send_one)
    return {"served": statuses["200"], "answered 429": statuses["429"],
            "answered otherwise": sum(statuses.values()) - statuses["200"] - statuses["429"],
            "median ms to 429": float(np.median(refused)) if refused else np.nan}  # fmt: skip


def task(url: str, release: Release, n: int) -> dict[str, float]:
    """Cluster many rows over HTTP, as a task, and by the library."""
    rows = blobs(n)
    started = time.perf_counter()
    with httpx.Client(base_url=url, timeout=300) as client:
        links = client.post("/cluster/submit", content=as_npy(rows), headers={"Content-Type": NPY}).json()["links"]
        while (status := client.get(links["status"]).json())["status"] == "in_progress":
            time.sleep(0.2)
        if status["status"] != "completed":
            raise SystemExit(f"the task failed: {status}")
        labels = client.get(links["get"]).json()["labels"]
    over_http = time.perf_counter() - started
    clusterer = release.clusterer()
    clusterer.fit(rows[:500])  # compiled kernels are loaded once, in the service as here
    started = time.perf_counter()
    clusterer.fit(rows)
    library = time.perf_counter() - started
    return {"seconds over HTTP": over_http, "seconds of the library": library, "ratio": over_http / library,
            "share of equal labels": float(np.mean(clusterer.labels_ == labels))}  # fmt: skip


def mixed_load(url: str, release: Release, seconds: float) -> dict[str, float]:
    """Good and hostile requests from eight clients, while memory is watched and, half-way, a worker is killed."""
    good: list[Request] = [
        ("/assign", as_json(catalogue_like(release, 3)), JSON),
        ("/assign", as_npy(catalogue_like(release, 100)), NPY),
        ("/cluster", as_npy(blobs(500)), NPY),
    ]
    hostile: list[Request] = [
        ("/cluster", b"[" * 10_000, JSON),
        ("/cluster", b'{"embeddings": [[NaN]]}', JSON),
        ("/assign", as_npy(blobs(100))[:-7], NPY),
        ("/encode", os.urandom(5_000), "image/png"),
    ]
    statuses: Counter[str] = Counter()
    memory: list[float] = []
    started = time.monotonic()
    server = server_of(url)

    def send_on() -> None:
        chooser = random.Random(threading.get_ident())
        with httpx.Client(base_url=url, timeout=120) as client:
            while time.monotonic() - started < seconds:
                is_good = chooser.random() < 0.9
                status = send(client, chooser.choice(good if is_good else hostile))
                statuses[("good " if is_good else "hostile ") + status] += 1

    def watch() -> None:
        killed = False
        while time.monotonic() - started < seconds:
            time.sleep(min(5.0, seconds / 20))
            processes = [server, *server.children(recursive=True)]
            memory.append(sum(process.memory_info().rss for process in processes if process.is_running()) / 2**20)
            if not killed and time.monotonic() - started > seconds / 2:
                killed = True
                workers = [process for process in processes[1:] if process.memory_info().rss > 200 * 2**20]
                workers[0].kill()

    watcher = threading.Thread(target=watch)
    watcher.start()
    in_threads(8, send_on)
    watcher.join()
    tenth = max(len(memory) // 10, 1)
    wait_until_ready(url)
    return {**{f"{status}": float(count) for status, count in sorted(statuses.items())},
            "MiB in the second tenth": float(np.mean(memory[tenth : 2 * tenth])),
            "MiB before the kill": float(np.mean(memory[len(memory) // 2 - tenth : len(memory) // 2])),
            "MiB in the last tenth": float(np.mean(memory[-tenth:]))}  # fmt: skip


def send(client: httpx.Client, request: Request) -> str:
    """Return the status, or what became of the request."""
    path, body, media_type = request
    try:
        return str(client.post(path, content=body, headers={"Content-Type": media_type}).status_code)
    except httpx.TransportError as error:
        return type(error).__name__


def in_threads(n: int, call: Callable[[], None]) -> None:
    """Run a call in several threads at once."""
    threads = [threading.Thread(target=call) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def server_of(url: str) -> psutil.Process:
    """Return the process that was started for this address."""
    port = url.rsplit(":", 1)[1]
    return next(child for child in psutil.Process().children() if port in child.cmdline())
