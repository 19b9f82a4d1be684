"""``bentoml serve`` as a process of its own, and schemathesis against it; the tests use both too."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import yaml

SCRIPTS = Path(sys.executable).parent
_LOADED = 300 * 2**20  # bytes of a worker whose libraries and model are loaded
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@contextmanager
def serve(configuration: Path, **environment: str) -> Iterator[str]:
    """Run the service on a port of its own; yield its address.

    Parameters
    ----------
    configuration : path
        A ``serving.yaml``; the server works, and logs, in the folder that it lies in.
    **environment : str
        Variables beside those of this process.

    Raises
    ------
    RuntimeError
        The server ended or was not ready in time; with what it logged.
    """
    folder = configuration.parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    own = {"HILANDER_SERVING_CONFIG": str(configuration), "BENTOML_HOME": str(folder / "bentoml"),
           "BENTOML_DO_NOT_TRACK": "true"}  # fmt: skip
    command = [str(SCRIPTS / "bentoml"), "serve", "hilander.serving.service:HilanderService",
               "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, env=inherited | own | environment, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
        url = f"http://127.0.0.1:{port}"
        try:
            try:
                wait_until_ready(url, server)
            except RuntimeError as error:
                raise RuntimeError(f"{error}; its log:\n{(folder / 'log').read_text()}") from error
            yield url
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


@contextmanager
def serve_folder(folder: Path, models: Path, *, workers: int = 1) -> Iterator[str]:
    """Serve a folder of releases, open to this machine; everything is kept in `folder`, captures in ``captured``."""
    configuration = {
        "models": str(models),
        "tasks": {"folder": str(folder / "tasks")},
        "security": {"open_on_loopback": True},
        "capture": {"url": str(folder / "captured"), "max_bytes": 200_000_000, "max_seconds_per_part": 5},
    }
    folder.mkdir(exist_ok=True)
    (folder / "serving.yaml").write_text(yaml.safe_dump(configuration))
    with serve(folder / "serving.yaml", HILANDER_WORKERS=str(workers), OMP_WAIT_POLICY="passive") as url:
        yield url


def wait_until_ready(url: str, server: subprocess.Popen[bytes] | None = None, seconds: float = 300) -> None:
    """Return once the service is ready; raise RuntimeError if its process ends first or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        if server is not None and server.poll() is not None:
            raise RuntimeError(f"the service ended with code {server.returncode}")
        time.sleep(0.3)
    raise RuntimeError(f"the service is not ready after {seconds:g} seconds")


def server_of(url: str) -> psutil.Process:
    """Return the process that `serve` started for this address."""
    port = url.rsplit(":", 1)[1]
    return next(child for child in psutil.Process().children() if port in child.cmdline())


def workers_of(url: str) -> list[psutil.Process]:
    """Return its processes that answer requests and have loaded the model."""
    found = []
    for process in server_of(url).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            is_worker = "_bentoml_impl.worker.service" in process.cmdline()
            if is_worker and process.status() != psutil.STATUS_ZOMBIE and process.memory_info().rss > _LOADED:
                found.append(process)
    return found


def tree_memory(url: str) -> float:
    """Return the MiB that all its processes hold."""
    total = 0
    server = server_of(url)
    for process in [server, *server.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total / 2**20


def fuzz(url: str, n_examples: int, *options: str, timeout: float | None = None) -> int:
    """Let schemathesis look for answers that the service's description does not have; return its exit code."""
    command = [str(SCRIPTS / "schemathesis"), "run", f"{url}/docs.json", "--checks", CHECKS,
               "--max-examples", str(n_examples), "--phases", "examples,fuzzing", "--exclude-path", "/cluster/submit",
               "--exclude-path", "/cluster_images/submit",
               *options]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:  # where it leaves what it remembers
        return subprocess.run(command, cwd=folder, check=False, timeout=timeout).returncode
