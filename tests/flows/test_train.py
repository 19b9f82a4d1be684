"""The training deployment on a real server: triggered, refused, resumed; and the same flow without a server."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from hilander.monitoring.capture import CaptureWriter

DEDUPLICATE = """
  deduplicate:
    cmd: python examples/deduplicate.py data artifacts/distinct.parquet
    deps: [data, examples/deduplicate.py]
    outs: [artifacts/distinct.parquet]
"""
STAGES = ["validate", "train_encoder", "encode", "build_graph", "train_lander", "evaluate"]


@pytest.fixture(scope="module")
def first(server):
    """The first run of a fresh workspace."""
    return server.trigger()


def in_service(workspace):
    return (workspace.folder / "models/in_service").resolve().name


def outputs_of(folder, left_out):
    """Digest of every output in DVC's lock, by its path."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    outputs = [output for stage in lock["stages"].values() for output in stage["outs"]]
    return {output["path"]: output["md5"] for output in outputs if output["path"] not in left_out}


def wait_for(words, workspace, seconds=240):
    """The process in the workspace whose command line holds these words."""
    for _ in range(seconds * 10):
        for process in psutil.process_iter(["cmdline", "cwd"]):
            inside = process.info["cwd"] == str(workspace.folder)
            if inside and words in " ".join(process.info["cmdline"] or ()):
                return process
        time.sleep(0.1)
    raise AssertionError(f"{words} did not start")


def test_a_triggered_run_goes_through_all_stages_into_service(server, workspace, first):
    assert first["state_name"] == "Completed"
    tasks, log, artifacts = server.tasks_of(first), server.log_of(first), server.artifacts_of(first)
    assert all(tasks[name] == "Completed" for name in STAGES), tasks
    for name in STAGES:
        assert f"Running stage '{name}'" in log
    assert "threshold" in log
    assert "k-means" in log
    assert {row["method"] for row in json.loads(artifacts["metrics"]["data"])} >= {"hilander", "kmeans", "ceiling"}
    assert {row["verdict"] for row in json.loads(artifacts["quality-gate"]["data"])} == {"kept"}
    assert "report.html" in artifacts["report"]["data"]
    assert any(key.startswith("progress-") for key in artifacts)
    assert in_service(workspace) in log


def test_plain_dvc_repro_finds_nothing_left_to_do(workspace, first):
    assert "up to date" in workspace.run("dvc", "repro", check=True).stdout


def test_plain_dvc_repro_makes_the_same_artifacts(workspace, first, tmp_path):
    clone = tmp_path / "clone"
    workspace.run("git", "clone", "-q", str(workspace.folder), str(clone), check=True)
    for command in (["dvc", "pull", "-q", "data"], ["dvc", "repro"]):
        environment = workspace.environment() | {"PYTHONPATH": str(clone / "src")}
        subprocess.run(command, cwd=clone, env=environment, check=True, capture_output=True)
    # Two pages for people say how long things took and when; all that is computed is the same, to the byte.
    timed = {"reports/data_docs", "reports/report.html"}
    assert outputs_of(clone, timed) == outputs_of(workspace.folder, timed)


def test_a_second_run_does_nothing_and_says_so(server, workspace, first):
    version = in_service(workspace)
    run = server.trigger()
    tasks = server.tasks_of(run)
    assert [tasks[name] for name in STAGES] == ["Unchanged"] * len(STAGES)
    assert "nothing to do" in server.log_of(run)
    assert in_service(workspace) == version


def test_a_refused_model_fails_the_run_and_leaves_the_one_in_service(server, workspace, first):
    version, before = in_service(workspace), workspace.params()["gate"]
    workspace.set_params(gate={"min_f_pairwise": 1.1})
    try:
        run = server.trigger()
        alone = workspace.run("python", "flows/train.py")
    finally:
        workspace.set_params(gate=before)
    assert run["state_name"] == "Failed"
    table = json.loads(server.artifacts_of(run)["quality-gate"]["data"])
    assert [row["metric"] for row in table if row["verdict"] == "MISSED"] == ["F_P"]
    assert in_service(workspace) == version
    assert alone.returncode == 1
    assert "asked for is 1.1000: missed" in alone.both


def test_data_that_are_not_fit_stop_the_run_before_training(server, workspace, first):
    before = workspace.contents("artifacts", "models")
    workspace.write_data(spoil=True)
    try:
        run = server.trigger()
    finally:
        workspace.write_data()
    assert run["state_name"] == "Failed"
    tasks = server.tasks_of(run)
    assert tasks["validate"] == "Failed"
    assert "train_encoder" not in tasks
    assert "train_lander" not in tasks
    assert "stage 'validate' failed" in server.log_of(run)
    assert workspace.contents("artifacts", "models") == before


def test_parameters_of_one_run_are_an_experiment(server, workspace, first):
    written = (workspace.folder / "params.yaml").read_bytes()
    outputs = workspace.contents("artifacts", "reports")
    run = workspace.run("python", "flows/train.py", "--set", "lander.hilander.n_item_steps=31")
    assert run.returncode == 0, run.both
    assert (workspace.folder / "params.yaml").read_bytes() == written
    assert workspace.contents("artifacts", "reports") == outputs
    shown = json.loads(workspace.run("dvc", "exp", "show", "--json", check=True).stdout)
    steps = [
        revision["data"]["params"]["params.yaml"]["data"]["lander"]["hilander"]["n_item_steps"]
        for entry in shown
        for experiment in entry["experiments"] or ()
        for revision in experiment["revs"]
    ]
    assert steps == [31]
    unknown = workspace.run("python", "flows/train.py", "--set", "lander.hidden=3")
    assert unknown.returncode == 1
    assert "unknown key 'hidden'" in unknown.both


def test_a_stage_that_users_add_is_run_in_its_place(server, workspace, first):
    """The example of docs/orchestration.md: duplicates go before anything else."""
    path, before = workspace.folder / "dvc.yaml", workspace.params()["data"]
    written = path.read_text()
    path.write_text(written + DEDUPLICATE)
    workspace.set_params(data={"path": "artifacts/distinct.parquet"})
    try:
        run = server.trigger()
    finally:
        path.write_text(written)
        workspace.set_params(data=before)
    assert run["state_name"] == "Completed", server.log_of(run)
    log = server.log_of(run)
    assert "1,500 of 1,500 items are distinct" in log
    assert log.index("Running stage 'deduplicate'") < log.index("Running stage 'validate'")
    assert server.tasks_of(run)["deduplicate"] == "Completed"


def test_of_two_runs_at_once_the_second_waits(server, workspace, first):
    for _ in range(2):
        workspace.run("prefect", "deployment", "run", "train/local", check=True)
    newest = server.api(
        "flow_runs/filter", flows={"name": {"any_": ["train"]}}, sort="EXPECTED_START_TIME_DESC", limit=2
    )
    second, one = (server.wait_for_end(run) for run in newest)
    assert [one["state_name"], second["state_name"]] == ["Completed", "Completed"]
    earlier, later = sorted((one, second), key=lambda run: run["start_time"])
    assert earlier["end_time"] <= later["start_time"]


def test_a_remote_that_does_not_answer_is_tried_again_and_tells_no_secret(server, workspace, first):
    workspace.run("dvc", "remote", "add", "away", "http://reader@127.0.0.1:9/store", check=True)
    workspace.run("dvc", "remote", "modify", "--local", "away", "password", "correct-horse", check=True)
    workspace.run("dvc", "config", "core.remote", "away", check=True)
    try:
        run = workspace.run("python", "flows/train.py", "--push")
    finally:
        workspace.run("dvc", "config", "core.remote", "local", check=True)
    assert run.returncode == 1
    assert "Retry" in run.both
    assert "correct-horse" not in run.both + server.log_of(server.last_run())


@pytest.mark.parametrize("victim", ["hilander.stages.train_lander", "dvc repro", "prefect.engine"])
def test_a_killed_stage_or_run_is_carried_on_by_the_next(server, workspace, first, victim):
    # A number that no run has had: DVC would take the outputs of that one from its cache.
    steps = workspace.params()["lander"]["hilander"]["n_item_steps"] + 5
    workspace.set_params(lander={"hilander": workspace.params()["lander"]["hilander"] | {"n_item_steps": steps}})
    before = workspace.contents("artifacts/embeddings", "artifacts/graph", "models")
    workspace.run("prefect", "deployment", "run", "train/local", check=True)
    wait_for("hilander.stages.train_lander", workspace)
    wait_for(victim, workspace).kill()
    killed = server.last_run()
    assert workspace.contents("artifacts/embeddings", "artifacts/graph", "models") == before
    run = server.trigger()
    assert run["id"] != killed["id"]
    assert run["state_name"] == "Completed", server.log_of(run)
    tasks = server.tasks_of(run)
    assert tasks["encode"] == "Unchanged"
    assert tasks["build_graph"] == "Unchanged"
    assert tasks["train_lander"] == "Completed"
    assert not list((workspace.folder / "artifacts").glob(".*-*"))


def test_sustained_drift_starts_one_training_until_it_has_cooled_down(server, workspace, first):
    embeddings = np.load(workspace.folder / "artifacts/embeddings/test/embeddings.npy")
    with CaptureWriter(str(workspace.folder / "captures")) as captures:
        captures.put(embeddings + 0.4, np.zeros(len(embeddings), int), np.ones(len(embeddings)), in_service(workspace))
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
