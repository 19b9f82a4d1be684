"""How long requests take from one client and from sixteen, what happens when there are too many, and long tasks."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import httpx
import numpy as np

from benchmarks.serving.client import in_threads, send
from benchmarks.serving.requests import NPY, WIDTH, Request, as_npy, blobs, latency_cases
from hilander.releases import Release

_SECONDS = 10.0  # of each measurement
_CLIENTS = 16


def measure_latency(url: str, release: Release, *, quick: bool) -> dict[str, float]:
    """Measure every size and format, overload, and tasks of 100,000 rows."""
    figures: dict[str, float] = {}

    def note(name: str, measured: dict[str, float]) -> None:
        print(name, measured, flush=True)
        figures.update({f"{name}: {key}": float(value) for key, value in measured.items()})

    for name, request, clients in latency_cases(release, quick=quick):
        note(f"{name} | {clients}", measure(url, request, clients, 1.0 if quick else _SECONDS))
    note("overload", overload(url, n_rows=1_000 if quick else 5_000))
    n_rows = 5_000 if quick else 100_000
    note("task", task(url, release, n_rows))
    note("tasks", many_tasks(url, n_rows))
    return figures


def measure(url: str, request: Request, clients: int, seconds: float) -> dict[str, float]:
    """Send one request over and over from several clients; one that is refused for now comes again."""
    milliseconds: list[float] = []
    statuses: Counter[str] = Counter()
    with httpx.Client(base_url=url, timeout=120) as client:
        send(client, request)  # what is loaded at the first use is loaded then
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
    others = sum(count for status, count in statuses.items() if status not in ("200", "429", "413"))
    return {"p50": p50, "p95": p95, "p99": p99, "per second": len(milliseconds) / elapsed,
            "413": statuses["413"], "429": statuses["429"], "failed": others}  # fmt: skip


def overload(url: str, n_rows: int) -> dict[str, float]:
    """Send three times as much at once as there is room for, and then one more."""
    request = ("/cluster", as_npy(blobs(n_rows)), NPY)
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
    busy = statuses.copy()
    in_threads(1, send_one)
    return {"sent at once": 51, "served": busy["200"], "answered 429": busy["429"],
            "answered otherwise": busy.total() - busy["200"] - busy["429"],
            "median ms to a 429": float(np.median(refused)) if refused else np.nan,
            "largest ms to a 429": max(refused, default=np.nan),
            "the next one is served": float(statuses["200"] - busy["200"])}  # fmt: skip


def task(url: str, release: Release, n_rows: int) -> dict[str, float]:
    """Cluster many rows over HTTP, which makes them a task, and by the library."""
    rows = blobs(n_rows)
    body = as_npy(rows)
    started = time.perf_counter()
    with httpx.Client(base_url=url, timeout=300) as client:
        labels = _wait_for(client, _submit(client, body).json()["links"])["labels"]
    over_http = time.perf_counter() - started
    clusterer = release.clusterer()
    clusterer.fit(rows[:500])  # compiled kernels are loaded once, in the service as here
    started = time.perf_counter()
    clusterer.fit(rows)
    library = time.perf_counter() - started
    equal = float(np.mean(clusterer.labels_ == labels))
    return {"rows": n_rows, "columns": WIDTH, "seconds over HTTP": over_http, "seconds of the library": library,
            "ratio": over_http / library, "share of equal labels": equal}  # fmt: skip


def many_tasks(url: str, n_rows: int) -> dict[str, float]:
    """Sixteen clients submit at once, as many as are taken wait for their answers."""
    body = as_npy(blobs(n_rows))
    statuses: Counter[int] = Counter()
    started = time.perf_counter()

    def submit() -> None:
        with httpx.Client(base_url=url, timeout=600) as client:
            answer = _submit(client, body)
            if answer.status_code == 202:
                _wait_for(client, answer.json()["links"])
            statuses[answer.status_code] += 1

    in_threads(_CLIENTS, submit)
    elapsed = time.perf_counter() - started
    others = statuses.total() - statuses[202] - statuses[429]
    return {"submitted at once": _CLIENTS, "taken": statuses[202], "answered 429": statuses[429],
            "answered otherwise": others, "seconds until all that were taken are done": elapsed,
            "done a minute": 60 * statuses[202] / elapsed}  # fmt: skip


def _submit(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/cluster/submit", content=body, headers={"Content-Type": NPY})


def _wait_for(client: httpx.Client, links: dict[str, str]) -> Any:
    while (status := client.get(links["status"]).json())["status"] == "in_progress":
        time.sleep(0.2)
    if status["status"] != "completed":
        raise SystemExit(f"the task failed: {status}")
    return client.get(links["get"]).json()
