"""Latency, throughput, overload and memory of the service over HTTP: ``make bench-serving``.

``python -m benchmarks.serving --models FOLDER`` measures the release in service there; ``--minutes 30`` adds that long
a mixed load, with hostile requests in it and a worker killed half-way; ``--fuzz 500`` so many requests of
schemathesis to each path; ``--quick`` leaves the large sizes out, to see that all of it runs.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil
import yaml
from numpy.typing import NDArray

from benchmarks.record import ROOT, commit, machine, write_results
from hilander.atomic_write import atomic_file
from hilander.releases import Release, release_in_service

JSON, NPY = "application/json", "application/x-npy"
WIDTH = 256
SECONDS = 10.0  # of each latency measurement
Request = tuple[str, bytes, str]  # path, body, content type


def main() -> None:
    """Measure, write ``benchmarks/serving.md`` and ``benchmarks/results/serving.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="models")
    parser.add_argument("--minutes", type=float, default=0.0, help="of mixed load on two workers")
    parser.add_argument("--fuzz", type=int, default=0, help="examples of schemathesis for each operation")
    parser.add_argument("--quick", action="store_true", help="small sizes, short measurements")
    arguments = parser.parse_args()
    models = Path(arguments.models).resolve()
    release = release_in_service(models)
    figures: dict[str, float] = {}

    def note(name: str, measured: dict[str, float]) -> None:
        print(name, measured, flush=True)
        figures.update({f"{name}: {key}": float(value) for key, value in measured.items()})

    with serve(models) as url:
        for name, request, clients in latency_cases(release, quick=arguments.quick):
            seconds = 1.0 if arguments.quick else SECONDS
            note(f"{name}, {clients} client(s)", measure(url, request, clients, seconds))
        note("overload", overload(url, quick=arguments.quick))
        rows = 5_000 if arguments.quick else 100_000
        note(f"task of {rows:,} × {WIDTH}", task(url, release, rows))
        if arguments.fuzz:
            note("schemathesis", {"failures": fuzz(url, arguments.fuzz)})
    if arguments.minutes:
        with serve(models, workers=2) as url:
            note("load", mixed_load(url, release, 60 * arguments.minutes))
    write_results("serving", figures)
    report = [
        "# The service over HTTP",
        "",
        "Milliseconds at the client, on the machine that serves; the server is `bentoml serve` with one worker, under",
        "the load with two. A 429 says at once that the service is full. JSON of 10,000 × 256 is beyond its limit.",
        "",
        "| what | |",
        "|---|---|",
        *(f"| {name} | {value:,.4g} |" for name, value in figures.items()),
        "",
        f"Measured at commit {commit()} on {machine()}, by `make bench-serving`.",
        "",
    ]
    with atomic_file(ROOT / "benchmarks" / "serving.md") as path:
        path.write_text("\n".join(report), encoding="utf-8")
    print("\n".join(report))


@contextmanager
def serve(models: Path, workers: int = 1) -> Iterator[str]:
    """Run the service on a port of its own; yield its address."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        configuration = {
            "models": str(models),
            "tasks": {"folder": f"{folder}/tasks"},
            "security": {"open_on_loopback": True},
            "capture": {"url": f"{folder}/captured", "max_bytes": 200_000_000},
        }
        path = Path(folder) / "serving.yaml"
        path.write_text(yaml.safe_dump(configuration))
        command = [str(Path(sys.executable).parent / "bentoml"), "serve", "hilander.serving.service:HilanderService",
                   "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
        environment = {"HILANDER_SERVING_CONFIG": str(path), "HILANDER_WORKERS": str(workers),
                       "BENTOML_HOME": f"{folder}/bentoml", "BENTOML_DO_NOT_TRACK": "true",
                       "OMP_WAIT_POLICY": "passive"}  # fmt: skip
        log = (Path(folder) / "log").open("w")
        server = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def wait_until_ready(url: str, seconds: float = 300) -> None:
    """Return once the service is ready."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"the service is not ready after {seconds:g} seconds")


def latency_cases(release: Release, *, quick: bool) -> Iterator[tuple[str, Request, int]]:
    """What is measured, with how many clients."""
    assigned, clustered = (1, 100) if quick else (1, 100, 10_000), (1_000,) if quick else (1_000, 10_000)
    for clients in (1, 16):
        for n in assigned:
            rows = catalogue_like(release, n)
            yield f"/assign {n:,} rows, JSON", ("/assign", as_json(rows), JSON), clients
            yield f"/assign {n:,} rows, binary", ("/assign", as_npy(rows), NPY), clients
        for n in clustered:
            rows = blobs(n)
            if n <= 1_000:
                yield f"/cluster {n:,} × {WIDTH}, JSON", ("/cluster", as_json(rows), JSON), clients
            yield f"/cluster {n:,} × {WIDTH}, binary", ("/cluster", as_npy(rows), NPY), clients


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


def fuzz(url: str, n_examples: int) -> float:
    """Return whether schemathesis found anything that the description does not say."""
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/docs.json", "--checks", checks,
               "--max-examples", str(n_examples), "--phases", "examples,fuzzing", "--exclude-path", "/cluster/submit",
               "--max-response-time", "60"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:  # where it leaves what it remembers
        return float(subprocess.run(command, cwd=folder, check=False).returncode != 0)


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


def catalogue_like(release: Release, n: int) -> NDArray[np.float32]:
    """Rows near those of the catalogue."""
    rng = np.random.default_rng(n)
    embeddings = release.catalogue().embeddings
    return embeddings[rng.integers(len(embeddings), size=n)] + 0.02 * rng.normal(size=(n, embeddings.shape[1])).astype(
        np.float32
    )


def blobs(n: int) -> NDArray[np.float32]:
    """Rows of about 20 a cluster."""
    rng = np.random.default_rng(n)
    centers = rng.normal(size=(max(n // 20, 1), WIDTH)).astype(np.float32)
    return centers[rng.integers(len(centers), size=n)] + 0.7 * rng.normal(size=(n, WIDTH)).astype(np.float32)


def as_json(rows: NDArray[np.float32]) -> bytes:
    """Rows of six digits as JSON."""
    return json.dumps({"embeddings": np.round(rows.astype(np.float64), 6).tolist()}).encode()


def as_npy(rows: NDArray[np.float32]) -> bytes:
    """Rows as numpy.save writes them."""
    file = io.BytesIO()
    np.save(file, rows)
    return file.getvalue()


if __name__ == "__main__":
    main()
