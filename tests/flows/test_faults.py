"""Whatever is killed, the next run carries on; and sustained drift starts a training."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil

from hilander.monitoring.capture import CaptureWriter


def wait_for(words, workspace, seconds=240):
    """The process in the workspace whose command line holds these words."""
    for _ in range(seconds * 10):
        for process in psutil.process_iter(["cmdline", "cwd"]):
            inside = process.info["cwd"] == str(workspace.folder)
            if inside and words in " ".join(process.info["cmdline"] or ()):
                return process
        time.sleep(0.1)
    raise AssertionError(f"{words} did not start")


def test_a_killed_stage_or_run_is_carried_on_by_the_next(server, workspace, first):
    """Three runs one after the other, each killed as the stage trains, by what it is made of; then one to its end."""
    # A number that no run has had: DVC would take the outputs of that one from its cache.
    steps = workspace.params()["lander"]["hilander"]["n_item_steps"] + 5
    workspace.set_params(lander={"hilander": workspace.params()["lander"]["hilander"] | {"n_item_steps": steps}})
    before = workspace.contents("artifacts/embeddings", "artifacts/graph", "models")
    killed = set()
    for victim in ("hilander.stages.train_lander", "dvc repro", "prefect.engine"):
        run = server.start_run()
        wait_for("hilander.stages.train_lander", workspace)
        wait_for(victim, workspace).kill()
        killed.add(run["id"])
        assert workspace.contents("artifacts/embeddings", "artifacts/graph", "models") == before
        if victim != "prefect.engine":  # whose end nobody is left to tell of until its heartbeat is missed
            server.wait_for_end(run)
    assert len(killed) == 3
    run = server.trigger()
    assert run["id"] not in killed
    assert run["state_name"] == "Completed", server.log_of(run)
    tasks = server.tasks_of(run)
    assert tasks["encode"] == "Unchanged"
    assert tasks["build_graph"] == "Unchanged"
    assert tasks["train_lander"] == "Completed"
    assert not list((workspace.folder / "artifacts").glob(".*-*"))


def test_sustained_drift_starts_one_training_until_it_has_cooled_down(server, workspace, first):
    embeddings = np.load(workspace.folder / "artifacts/embeddings/test/embeddings.npy")
    with CaptureWriter(str(workspace.folder / "captures")) as captures:
        captures.put(embeddings + 0.4, np.zeros(len(embeddings), int), np.ones(len(embeddings)), workspace.in_service())
    workspace.set_params(monitor={"sustained": 1, "retrain": True})
    alone = workspace.run("python", "flows/monitor.py")
    assert alone.returncode == 3, alone.both
    assert "started" in alone.both
    started = server.last_run()
    assert "DRIFT" in server.artifacts_of(server.run_of("monitor"))["drift"]["description"]
    again = workspace.run("python", "flows/monitor.py")
    assert "the next one may start" in again.both
    assert server.wait_for_end(started)["state_name"] == "Completed"


def test_killed_servers_and_workers_are_started_again(server, workspace, first):
    path = workspace.folder / ".prefect/started.json"
    killed = {name: record["pid"] for name, record in json.loads(path.read_text()).items()}
    assert sorted(killed) == ["server", "worker"]
    for process in killed.values():
        os.kill(process, signal.SIGKILL)
    server.up()
    again = {name: record["pid"] for name, record in json.loads(path.read_text()).items()}
    assert all(again[name] != killed[name] for name in killed)
    assert server.trigger()["state_name"] == "Completed"
    assert first["id"] in {run["id"] for run in server.api("flow_runs/filter", limit=200)}  # nothing is forgotten


def test_down_stops_what_up_started_and_nothing_else(server, workspace, first):
    started = json.loads((workspace.folder / ".prefect/started.json").read_text())
    server.down()
    for record in started.values():
        assert not psutil.pid_exists(record["pid"]) or psutil.Process(record["pid"]).status() == psutil.STATUS_ZOMBIE
    assert Path(workspace.folder / "models/in_service").exists()
    assert np.load(workspace.folder / "artifacts/graph/test/neighbors.npy").shape[0] == 600
