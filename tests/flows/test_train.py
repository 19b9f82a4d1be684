"""The training deployment on a real server: triggered, refused, resumed; and the same flow without a server."""

import json
import re
import shutil
import subprocess

import yaml

DEDUPLICATE = """
  deduplicate:
    cmd: python examples/deduplicate.py data artifacts/distinct.parquet
    deps: [data, examples/deduplicate.py]
    outs: [artifacts/distinct.parquet]
"""
MEDDLE = """
  meddle:
    cmd: "sed -i 's/n_cluster_steps: 8/n_cluster_steps: 9/' params.yaml"
    deps: [artifacts/lander]
"""
STAGES = ["validate", "train_encoder", "encode", "build_graph", "train_lander", "evaluate"]


def outputs_of(folder, left_out):
    """Digest of every output in DVC's lock, by its path."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    outputs = [output for stage in lock["stages"].values() for output in stage["outs"]]
    return {output["path"]: output["md5"] for output in outputs if output["path"] not in left_out}


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
    assert workspace.in_service() in log


def test_plain_dvc_repro_finds_nothing_left_to_do(workspace, first):
    assert "up to date" in workspace.run("dvc", "repro", check=True).stdout


def test_plain_dvc_repro_makes_the_same_artifacts(workspace, first, tmp_path):
    clone = tmp_path / "clone"
    workspace.run("git", "clone", "-q", str(workspace.folder), str(clone), check=True)
    for command in (["dvc", "pull", "-q", "data"], ["dvc", "repro"]):
        subprocess.run(command, cwd=clone, env=workspace.environment(), check=True, capture_output=True)
    # Two pages for people say how long things took and when; all that is computed is the same, to the byte.
    timed = {"reports/data_docs", "reports/report.html"}
    assert outputs_of(clone, timed) == outputs_of(workspace.folder, timed)


def test_a_second_run_does_nothing_and_says_so(server, workspace, first):
    version = workspace.in_service()
    run = server.trigger()
    tasks = server.tasks_of(run)
    assert [tasks[name] for name in STAGES] == ["Unchanged"] * len(STAGES)
    assert "nothing to do" in server.log_of(run)
    assert workspace.in_service() == version


def test_a_refused_model_fails_the_run_and_leaves_the_one_in_service(server, workspace, first):
    version, before = workspace.in_service(), workspace.params()["gate"]
    workspace.set_params(gate={"min_f_pairwise": 1.0})
    try:
        run = server.trigger()
        alone = workspace.run("python", "flows/train.py")
    finally:
        workspace.set_params(gate=before)
    assert run["state_name"] == "Failed"
    table = json.loads(server.artifacts_of(run)["quality-gate"]["data"])
    assert [row["metric"] for row in table if row["verdict"] == "MISSED"] == ["F_P"]
    assert workspace.in_service() == version
    assert alone.returncode == 1
    assert "asked for is 1.0000: missed" in alone.both


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


def test_parameters_of_one_run_are_an_experiment(server, workspace, first, tmp_path):
    written = (workspace.folder / "params.yaml").read_bytes()
    outputs = workspace.contents("artifacts", "reports")
    run = workspace.run("python", "flows/train.py", "--set", "lander.hilander.n_item_steps=13")
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
    assert steps == [13]
    [metrics] = [
        revision["data"]["metrics"]["reports/metrics.json"]["data"]
        for entry in shown
        for experiment in entry["experiments"] or ()
        for revision in experiment["revs"]
    ]
    assert 0 <= metrics["hilander"]["f_pairwise"] <= 1
    bring = re.search(r"`(dvc exp apply run-\w+)`", run.both)[1]  # the copy that held the report is gone
    clone = tmp_path / "clone"  # the others use the workspace
    shutil.copytree(workspace.folder, clone, symlinks=True)
    subprocess.run(bring, shell=True, cwd=clone, env=workspace.environment(), check=True, capture_output=True)
    steps = [(folder / "reports/lander_training.csv").read_text().count("\n") for folder in (workspace.folder, clone)]
    assert steps[0] < steps[1]
    assert json.loads((clone / "reports/metrics.json").read_text()) == metrics
    assert (clone / "reports/report.html").is_file()


def test_an_experiment_whose_model_is_refused_can_be_looked_at(server, workspace, first):
    version = workspace.in_service()
    run = workspace.run("python", "flows/train.py", "--set", "gate.min_f_pairwise=1.0")
    assert run.returncode == 1
    assert "asked for is 1.0000: missed" in run.both
    assert workspace.in_service() == version
    name = re.search(r"`dvc exp apply (run-\w+)`", run.both)[1]
    assert name in workspace.run("dvc", "exp", "list", check=True).stdout
    assert not any((workspace.folder / ".dvc/tmp/hilander/experiments").iterdir())


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


def test_parameters_that_change_while_it_runs_put_no_model_into_service(server, workspace, first):
    version = workspace.in_service()
    before = {name: (workspace.folder / name).read_text() for name in ("dvc.yaml", "params.yaml")}
    (workspace.folder / "dvc.yaml").write_text(before["dvc.yaml"] + MEDDLE)
    try:
        run = workspace.run("python", "flows/train.py")
        assert workspace.params()["lander"]["hilander"]["n_cluster_steps"] == 9
    finally:
        for name, text in before.items():
            (workspace.folder / name).write_text(text)
    assert run.returncode == 1
    assert "were changed while this run went on" in run.both
    assert workspace.in_service() == version


def test_of_two_runs_at_once_the_second_waits(server, workspace, first):
    one, second = [server.wait_for_end(run) for run in [server.start_run() for _ in range(2)]]
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
