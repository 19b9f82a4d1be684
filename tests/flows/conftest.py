"""A workspace as a user has it, with a small set of embeddings, and a real Prefect server with a worker for it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SMALL = {
    "data": {"path": "data/toy.npz"},
    "encoder": {"name": "identity"},
    "graph": {"n_neighbors": 20},
    "lander": {
        "compare_with": [],
        "hilander": {"n_item_steps": 12, "n_cluster_steps": 8, "n_starter_steps": 8, "n_cores": 2, "core_size": 150},
    },
    "evaluate": {"baselines": ["kmeans"]},
    "gate": {"min_f_pairwise": 0.5, "min_f_bcubed": 0.5, "beat_baselines": False},
}


class Workspace:
    """A clone with other data and small parameters."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("dvc.yaml", "params.yaml", "prefect.toml", "prefect.yaml", ".gitignore", ".dvcignore"):
            shutil.copy(ROOT / name, folder / name)
        for name in ("examples", "flows", "src"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.look_often()
        self.set_params(**SMALL)
        self.write_data()
        for command in (
            "git init -q", "dvc init -q", "dvc remote add -q -d local dvcstore", "dvc add -q data", "dvc push -q",
            "git add -A", "git -c user.email=a@b -c user.name=n commit -qm start",
        ):  # fmt: skip
            self.run(*command.split(), check=True)

    def environment(self):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ours = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
        # The repository's own code, whose compiled form is kept; the workspace's copy of it is what DVC watches.
        return ours | {"PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(ROOT / "src")}

    def run(self, *command, check=False, **environment):
        result = subprocess.run(
            command, cwd=self.folder, env=self.environment() | environment, capture_output=True, text=True
        )
        result.both = result.stdout + result.stderr
        assert not check or result.returncode == 0, result.both
        return result

    def start(self, *command):
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def look_often(self):
        """Let the worker, and a run that waits for another, ask every second: a test need not wait for them longer."""
        path = self.folder / "prefect.toml"
        path.write_text(re.sub(r"(query_seconds|slot_wait_seconds) = \d+", r"\1 = 1", path.read_text()))

    def params(self):
        return yaml.safe_load((self.folder / "params.yaml").read_text())

    def set_params(self, **blocks):
        params = self.params()
        for block, values in blocks.items():
            params[block] = params[block] | values
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def write_data(self, spoil=False):
        """Gaussian classes in 32 dimensions: 60 to train on, 40 others, two of whose items have each other's label."""
        random = np.random.default_rng(0)
        labels = np.repeat(np.arange(100), 15)
        embeddings = random.normal(size=(100, 32))[labels] + 0.55 * random.normal(size=(len(labels), 32))
        labels[-1], labels[-16] = labels[-16], labels[-1]  # so that no model is right about all
        if spoil:
            embeddings[7] = np.nan
        (self.folder / "data").mkdir(exist_ok=True)
        np.savez(
            self.folder / "data/toy.npz",
            embeddings=embeddings.astype(np.float32),
            labels=labels.astype(str),
            splits=np.where(labels < 60, "train", "test"),
        )

    def in_service(self):
        """Version of the model in service."""
        return (self.folder / "models/in_service").resolve().name

    def contents(self, *folders):
        """Bytes of every file."""
        paths = [path for folder in folders for path in (self.folder / folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def server(workspace):
    """What `make deploy` starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(workspace, port)
    server.up()
    yield server
    server.down()


@pytest.fixture(scope="session")
def first(server):
    """The first run of a fresh workspace, triggered and watched as the documentation says."""
    result = server.workspace.run("prefect", "deployment", "run", "train/local", "--watch")
    run = server.last_run()
    assert run["state_type"] in ("COMPLETED", "FAILED", "CRASHED"), result.both
    return server.wait_for_end(run)


def has_process(run):
    """Whether a process works on a flow run: Prefect tells it by its environment which one."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run["id"]:
                return True
        except psutil.Error:  # gone, or another user's
            continue
    return False


class Server:
    """The local deployment of a workspace."""

    def __init__(self, workspace, port):
        self.workspace, self.port = workspace, port

    def up(self):
        return self.workspace.run("python", "flows/deploy.py", "up", "--port", str(self.port), check=True)

    def down(self):
        return self.workspace.run("python", "flows/deploy.py", "down", check=True)

    def api(self, path, **body):
        """POST to the server's API."""
        return self.answer("POST", path, json=body)

    def answer(self, method, path, **request):
        import httpx

        for _ in range(10):
            answer = httpx.request(method, f"http://127.0.0.1:{self.port}/api/{path}", timeout=60, **request)
            if answer.status_code != 503:  # which Prefect's own client asks again after: the database is at work
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer.json()

    def start_run(self):
        """Ask for a run of the training, as `prefect deployment run` does in seconds of its own."""
        deployment = self.answer("GET", "deployments/name/train/local")
        return self.api(f"deployments/{deployment['id']}/create_flow_run")

    def trigger(self):
        """Run the training to its end; the run with its last state."""
        return self.wait_for_end(self.start_run())

    def last_run(self):
        return self.run_of("train")

    def run_of(self, flow):
        """The last run of a flow."""
        return self.api("flow_runs/filter", flows={"name": {"any_": [flow]}}, sort="EXPECTED_START_TIME_DESC", limit=1)[
            0
        ]

    def wait_for_end(self, run, seconds=300):
        """The run with its last state, once its process is gone, which sends the last lines of the log as it ends."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            now = self.answer("GET", f"flow_runs/{run['id']}")
            if now["state_type"] in ("COMPLETED", "FAILED", "CRASHED") and not has_process(run):
                return now
            time.sleep(0.3)
        raise AssertionError(f"still {now['state_name']} after {seconds} s")

    def log_of(self, run):
        lines = []
        while True:
            page = self.api(
                "logs/filter",
                logs={"flow_run_id": {"any_": [run["id"]]}}, sort="TIMESTAMP_ASC", offset=len(lines), limit=200,
            )  # fmt: skip
            lines += [entry["message"] for entry in page]
            if len(page) < 200:
                return "\n".join(lines)

    def artifacts_of(self, run):
        found = self.api("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
        return {entry["key"]: entry for entry in found}

    def tasks_of(self, run):
        found = self.api("task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
        return {entry["name"].rsplit("-", 1)[0]: entry["state_name"] for entry in found}
