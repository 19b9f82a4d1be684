"""A small workspace: Git, DVC and four stages that write files, listed in another order than the graph's."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PARAMS = """\
# What is left out takes its default.
encoder:
  name: "identity"  # a comment that must stay
  epochs: 3

lander: {seed: 0}
"""
STAGES = """\
stages:
  evaluate:
    cmd: cat artifacts/model artifacts/graph > reports/metrics.json
    deps: [artifacts/model, artifacts/graph]
    outs: [reports/metrics.json: {cache: false}]
  train_lander:
    cmd: echo training ${encoder.epochs} && echo model ${encoder.epochs} > artifacts/model
    deps: [artifacts/graph]
    params: [encoder]
    outs: [artifacts/model]
  build_graph:
    cmd: mkdir -p artifacts reports && cp ${data.path} artifacts/graph
    deps: ["${data.path}"]
    outs: [artifacts/graph]
vars:
  - data: {path: data}
"""


class Workspace:
    """A folder with the stages of one test or several."""

    def __init__(self, folder):
        self.folder = folder

    def environment(self):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"}

    def run(self, *command):
        """What the command prints."""
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    def start(self, script):
        """A Python script in a process of its own, to be killed."""
        return subprocess.Popen(
            [sys.executable, "-c", script], cwd=self.folder, env=self.environment(), text=True, stdout=subprocess.PIPE
        )

    def add_stage(self, name, command, **fields):
        extra = "".join(f"    {key}: {value}\n" for key, value in fields.items())
        path = self.folder / "dvc.yaml"
        head, vars_, rest = path.read_text().partition("vars:\n")
        path.write_text(f"{head}  {name}:\n    cmd: {command}\n{extra}{vars_}{rest}")

    def processes(self):
        """All but zombies whose working directory is inside."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(self.folder):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def wait_until_empty(self):
        deadline = time.monotonic() + 30
        while (found := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not found

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name):
        return (self.folder / name).read_text()


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """Built once: each call of DVC takes about a second."""
    folder = tmp_path_factory.mktemp("template") / "workspace"
    folder.mkdir()
    workspace = Workspace(folder)
    workspace.write("dvc.yaml", STAGES)
    workspace.write("params.yaml", PARAMS)
    workspace.write("data", "first data\n")
    workspace.write("more", "more data\n")
    workspace.write("script.py", "print('first')\n")
    workspace.write(".gitignore", "/artifacts/\n/reports/\n/data\n/more\n/dvcstore/\n")
    workspace.run("git", "init", "-q", "-b", "main")
    for name, value in (("user.email", "a@b"), ("user.name", "n"), ("commit.gpgsign", "false")):
        workspace.run("git", "config", name, value)
    workspace.run("dvc", "init", "-q")
    workspace.write(".dvc/config", "[core]\n    analytics = false\n    autostage = false\n")
    workspace.run("dvc", "add", "-q", "data", "more")
    workspace.run("git", "add", "-A")
    workspace.run("git", "commit", "-qm", "start")
    return folder


@pytest.fixture
def workspace(template, tmp_path):
    """Of one test."""
    return Workspace(Path(shutil.copytree(template, tmp_path / "workspace")))
