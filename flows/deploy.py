"""Server, worker and deployments on this machine: ``make deploy`` starts them, ``make undeploy`` stops just those."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from hilander.atomic_write import atomic_file

HOME = Path(".prefect")  # as prefect.toml says
STARTED = HOME / "started.json"
POOL = "hilander"
ENTRYPOINTS = ("flows/train.py:train", "flows/cluster.py:cluster", "flows/monitor.py:monitor")  # of prefect.yaml
AUTOMATION = "mark killed runs as crashed"  # in flows/automations.yaml
START_SECONDS = 180

app = typer.Typer(no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
PortOption = Annotated[int, typer.Option(envvar="HILANDER_PREFECT_PORT", help="Port of the server.")]


@app.command()
def up(port: PortOption = 4200) -> None:
    """Start what does not run yet: a server, a process work pool with a worker, the deployments of prefect.yaml.

    Examples:

        python flows/deploy.py up --port 4300
    """
    if not Path("prefect.yaml").is_file():
        sys.exit("deploy: expected prefect.yaml here; run in the folder that holds it")
    HOME.mkdir(exist_ok=True)
    server = _lives("server")
    if server is not None and str(port) not in server.cmdline():
        sys.exit(
            f"deploy: expected no server of this folder, or one on port {port}, found one on another port "
            f"(process {server.pid}); stop it first: make undeploy"
        )
    os.environ["PREFECT_API_URL"] = url = f"http://127.0.0.1:{port}/api"
    # The worker's `python` must be this one, whatever shell started us.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    if not _is_healthy(url):
        if server is None:  # else it is starting still
            _start("server", "server", "start", "--host", "127.0.0.1", "--port", str(port))
        _wait_for(url)
    elif server is None and (others := _deployed_from(url) - {str(Path.cwd())}):
        sys.exit(
            f"deploy: expected no server on port {port}, or this folder's, found that of {', '.join(sorted(others))}, "
            "whose deployments ours would replace; name a free port: python flows/deploy.py up --port 4300"
        )
    _prefect("config", "set", f"PREFECT_API_URL={url}")
    _prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
    _prefect("--no-prompt", "deploy", "--all")
    if AUTOMATION not in _automations(url):
        _prefect("automation", "create", "--from-file", "flows/automations.yaml")
    if not _lives("worker"):
        _start("worker", "worker", "start", "--pool", POOL, "--type", "process", "--name", f"hilander-{os.getpid()}")
    print(
        f"Prefect: http://127.0.0.1:{port}\n"
        "a training:      prefect deployment run 'train/local' --watch\n"
        "stop all of it:  make undeploy"
    )


@app.command()
def down() -> None:
    """Stop the server and the worker that ``up`` started, and nothing else; runs and results stay on record."""
    for name in ("worker", "server"):
        process = _lives(name)
        if process is None:
            continue
        members = [process, *process.children(recursive=True)]
        for member in members:
            try:
                member.terminate()
            except psutil.NoSuchProcess:
                continue
        for member in psutil.wait_procs(members, timeout=30)[1]:
            member.kill()
        print(f"{name} stopped")
    if STARTED.exists():
        # Where `up` was interrupted, it has set nothing yet.
        _prefect("config", "unset", "PREFECT_API_URL", "--yes", accepted="is not set in profile")
        STARTED.unlink()


def _prefect(*arguments: str, accepted: str | None = None) -> str:
    """Run ``prefect`` to its end; its words are shown where it fails, unless `accepted` is among them."""
    result = subprocess.run([sys.executable, "-m", "prefect", *arguments], capture_output=True, text=True, check=False)
    said = " ".join((result.stdout + result.stderr).split())  # which it breaks into lines as wide as the terminal
    if result.returncode != 0 and (accepted is None or accepted not in said):
        sys.exit(f"deploy: `prefect {' '.join(arguments)}` failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def _start(name: str, *arguments: str) -> None:
    """Start ``prefect`` as a process that outlives this one, and take note of it."""
    # A shell's background commands ignore Ctrl-C and hand that on, but Prefect stops its own processes by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (HOME / f"{name}.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    started = _read_started() | {name: {"pid": process.pid, "created": psutil.Process(process.pid).create_time()}}
    with atomic_file(STARTED) as temporary:
        temporary.write_text(json.dumps(started), encoding="utf-8")
    print(f"{name} started (process {process.pid}, log in {HOME / f'{name}.log'})")


def _lives(name: str) -> psutil.Process | None:
    """Return the process that an earlier ``up`` started; numbers of processes are used again, so its age must fit."""
    record = _read_started().get(name)
    try:
        process = psutil.Process(record["pid"]) if record else None
        same = process is not None and abs(process.create_time() - record["created"]) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _read_started() -> dict[str, dict[str, Any]]:
    if not STARTED.exists():
        return {}
    try:
        started = json.loads(STARTED.read_text(encoding="utf-8"))
        return {
            name: {"pid": int(record["pid"]), "created": float(record["created"])} for name, record in started.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        sys.exit(
            f"deploy: expected the processes that `up` has started in {STARTED}, found a damaged file ({error}); "
            f"end this folder's server and worker (`pgrep -af 'prefect (server|worker) start'`), then delete {STARTED}"
        )


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return answer.status == 200
    except (OSError, http.client.HTTPException):  # nothing there, or something that speaks no HTTP
        return False


def _automations(url: str) -> set[str]:
    """Names of the server's automations; `prefect automation ls` breaks them into lines as wide as the terminal."""
    return {automation["name"] for automation in _all(url, "automations")}


def _deployed_from(url: str) -> set[str]:
    """Folders that the server's deployments of our names run in."""
    try:
        deployments = _all(url, "deployments")
    except (OSError, ValueError):  # no server of Prefect's, as its own command says next
        return set()
    ours = [deployment for deployment in deployments if deployment["entrypoint"] in ENTRYPOINTS]
    steps = [inputs for deployment in ours for step in deployment["pull_steps"] or [] for inputs in step.values()]
    return {inputs["directory"] for inputs in steps if "directory" in inputs}


def _all(url: str, kind: str) -> list[dict[str, Any]]:
    """Whatever the server has of a kind."""
    request = urllib.request.Request(f"{url}/{kind}/filter", b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _wait_for(url: str) -> None:
    for _ in range(START_SECONDS):
        if _is_healthy(url):
            return
        if _lives("server") is None:
            sys.exit(f"deploy: the server ended as it started; see {HOME / 'server.log'}")
        time.sleep(1)
    sys.exit(f"deploy: the server did not answer at {url} within {START_SECONDS} s; see {HOME / 'server.log'}")


if __name__ == "__main__":
    app()
