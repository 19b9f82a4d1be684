"""Train: every stage of ``dvc.yaml`` in its order, then the quality gate, then into service.

``python flows/train.py --help`` runs it here and now, without a server; ``make deploy`` makes it a deployment.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from prefect import flow, get_run_logger, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.states import Completed, State

from hilander.pipeline.temporary_server import end_server_with_this_process

PROGRESS_EVERY = 5.0  # seconds between two updates of the progress that the server shows


def _may_pass(task: Any, task_run: Any, state: State) -> bool:
    """A remote that does not answer may be back in a minute; data that are nowhere will not be."""
    from hilander.pipeline.data_versions import RemoteUnavailable

    return isinstance(state.result(raise_on_failure=False), RemoteUnavailable)


@task(retries=2, retry_delay_seconds=[3, 15], retry_condition_fn=_may_pass)
def pull_data(workspace: Path) -> list[str]:
    """Bring data that are tracked, but not here, from the remote; return the pointers whose data are not recorded."""
    from hilander.pipeline.data_versions import pull_missing

    return pull_missing(workspace, get_run_logger().info)


@task  # DVC knows what is out of date: nothing is cached here; a stage that fails would fail again: no retry
def run_stage(workspace: Path, name: str, hours: float, outdated: bool) -> State[None]:
    """Run a stage of ``dvc.yaml``; its lines are this task's log. ``Unchanged`` where there was nothing to do."""
    log = get_run_logger()
    if not outdated:
        log.info("Stage '%s' didn't change, skipping", name)
        return Completed(name="Unchanged")
    from hilander.pipeline.dvc_stages import run_stage

    ran = run_stage(workspace, name, log.info, _Progress(name, log.warning), time_limit=hours * 3600)
    return Completed(name="Completed" if ran else "Unchanged")


@task
def quality_gate(workspace: Path, models: Path) -> None:
    """Hold the figures against the floors of ``params.yaml``; a missed one ends the run as failed."""
    from hilander.config import load_params
    from hilander.pipeline.quality_gate import check_quality, refuse_missed
    from hilander.releases import ReleaseError, release_in_service

    params = load_params(workspace / "params.yaml")
    metrics = json.loads((workspace / "reports/metrics.json").read_text(encoding="utf-8"))
    try:
        in_service = release_in_service(models).metrics
    except FileNotFoundError:
        in_service = None  # the first one
    except ReleaseError as error:
        get_run_logger().warning("the model in service cannot be compared with, and would be replaced: %s", error)
        in_service = None
    checks = check_quality(metrics, params.lander.variant, params.evaluate.baselines, params.gate, in_service)
    columns = ("floor", "metric", "value", "at_least")
    create_table_artifact(
        key="quality-gate",
        description="Floors that the model must keep on classes never seen, before it is put into service.",
        table=[
            {column: _shown(getattr(check, column)) for column in columns}
            | {"verdict": "kept" if check.passed else "MISSED"}
            for check in checks
        ],
    )
    for check in checks:
        get_run_logger().info("%s", check)
    refuse_missed(checks)


@task
def package(workspace: Path, models: Path, experiment: str | None) -> str:
    """Put the model into service, unless it was taken out of it; return the version in service."""
    from hilander.pipeline.package import package

    return package(workspace, models, experiment, get_run_logger().warning).version


@task(retries=2, retry_delay_seconds=[3, 15], retry_condition_fn=_may_pass)
def push_artifacts(workspace: Path) -> None:
    """Send what the stages made to DVC's remote, where one is configured for it."""
    from hilander.pipeline.data_versions import push_outputs

    push_outputs(workspace, get_run_logger().info)


@task
def show_results(workspace: Path) -> None:
    """Metrics beside the baselines, and where the report lies."""
    metrics = json.loads((workspace / "reports/metrics.json").read_text(encoding="utf-8"))
    report = workspace / "reports/report.html"
    create_table_artifact(
        key="metrics",
        description="Every method on the classes never seen in training.",
        table=[
            {"method": name} | {metric: _shown(value) for metric, value in figures.items()}
            for name, figures in metrics.items()
            if "f_pairwise" in figures
        ],
    )
    create_markdown_artifact(key="report", markdown=f"[The report of this run]({report.as_uri()}): `{report}`")
    get_run_logger().info("report: %s", report)


@task
def show_where_to_find(experiment: str) -> None:
    """How to bring an experiment here, its report with it: the copy that `show_results` linked to is gone."""
    bring = f"dvc exp apply {experiment}"
    create_markdown_artifact(key="report", markdown=f"`{bring}` brings the report of this run into the workspace")
    get_run_logger().info("`%s` brings its parameters, outputs and report into the workspace", bring)


@flow(name="train", flow_run_name=lambda: f"train {time.strftime('%Y-%m-%d %H:%M')}")
def train(
    workspace: str = ".",
    overrides: dict[str, Any] | None = None,
    models: str = "models",
    push: bool = False,
    stage_hours: float = 24.0,
    wait_minutes: float = 60.0,
) -> str:
    """Run the stages that are out of date; put the model into service if it passes the quality gate.

    Parameters
    ----------
    workspace : str
        Folder of dvc.yaml.
    overrides : dict, optional
        Parameters for this run alone, by their place in params.yaml: {"encoder.epochs": 40}, or
        {"encoder": {"epochs": 40}}. It becomes a DVC experiment; params.yaml is not touched.
    models : str
        Folder of releases, relative to the workspace.
    push : bool
        Send what the stages made to DVC's remote.
    stage_hours : float
        Time limit of each stage.
    wait_minutes : float
        How long to wait for another run in this workspace.

    Returns
    -------
    str
        Version of the model in service.
    """
    from hilander.pipeline.dvc_stages import outdated_stages, stage_names
    from hilander.pipeline.experiment import check_data_recorded, open_experiment, save_experiment
    from hilander.pipeline.workspace_lock import workspace_lock

    if not 0 <= wait_minutes < math.inf:  # the lock would wait for ever
        raise ValueError(f"wait_minutes must be a number of minutes from 0, got {wait_minutes}")
    log = get_run_logger()
    home = Path(workspace).resolve()
    releases = home / models
    with workspace_lock(home, log.warning, wait_minutes * 60):
        here, experiment = home, None
        unrecorded = pull_data(home)
        if overrides:
            experiment = (
                "run-" + hashlib.sha256(json.dumps(overrides, sort_keys=True, default=str).encode()).hexdigest()[:8]
            )
            here = open_experiment(home, experiment, overrides)
            log.info("experiment %s in a copy of the workspace: %s", experiment, overrides)
            pull_data(here)
            check_data_recorded(home, here, unrecorded)
        ran = []
        outdated = outdated_stages(here)
        names = stage_names(here)
        for name in names:
            # Once one has run, what depends on it may be out of date too: DVC is asked again, as it is run.
            state = run_stage.with_options(name=name)(
                here, name, stage_hours, bool(ran) or name in outdated, return_state=True
            )
            state.result()  # raises what the stage raised
            if state.name == "Completed":
                ran.append(name)
        again = outdated_stages(here, or_always_run=False) if ran else set()
        if changed := [name for name in names if name in again]:
            raise RuntimeError(
                f"parameters, data or code of {', '.join(changed)} were changed while this run went on, so that the "
                "model is none of theirs; run it again"
            )
        show_results(here)
        if experiment:  # before the gate: what it refuses is to be looked at as well
            save_experiment(home, here, log.info)
            show_where_to_find(experiment)
        try:
            quality_gate(here, releases)
            version = package(here, releases, experiment)
            if push:
                push_artifacts(here)
        finally:
            if experiment:
                shutil.rmtree(here)
    done = f"ran {', '.join(ran)}" if ran else "nothing to do: every stage is up to date"
    log.info("%s; model in service: %s", done, version)
    return version


class _Progress:
    """Progress of a stage as an artifact, made when there is some, updated every few seconds.

    Where the server does not answer, that is said once, and the stage goes on: hours of it hang on no picture.
    """

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self.name, self.say = name, say
        self.artifact: Any = None
        self.shown = -math.inf
        self.is_failing = False

    def __call__(self, percent: float) -> None:
        is_last = percent >= 100 and self.artifact is not None and not self.is_failing
        if time.monotonic() - self.shown < PROGRESS_EVERY and not is_last:
            return
        try:
            self._show(percent)
            self.is_failing = False
        except Exception as error:  # whatever a server, or what stands before it, answers
            if not self.is_failing:
                self.say(f"the progress of stage '{self.name}' cannot be shown for now: {error}")
            self.is_failing = True
        self.shown = time.monotonic()

    def _show(self, percent: float) -> None:
        if self.artifact is None:
            key = f"progress-{self.name.replace('_', '-')}"
            self.artifact = create_progress_artifact(percent, key=key, description=f"Step of stage {self.name}")
        else:
            update_progress_artifact(self.artifact, percent)


def _shown(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _parsed(key: str, value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {key}: expected a value as in YAML, got {value!r}") from error


def main(
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", metavar="KEY=VALUE", help="A parameter for this run alone: encoder.epochs=40"),
    ] = None,
    workspace: Annotated[Path, typer.Option(help="Folder of dvc.yaml.")] = Path(),
    push: Annotated[bool, typer.Option("--push", help="Send what the stages made to DVC's remote.")] = False,
) -> None:
    """Run the stages that are out of date, hold the model against the quality gate, put it into service.

    Examples:

        python flows/train.py

        python flows/train.py --set encoder.epochs=40 --set lander.seed=1
    """
    pairs = [assignment.partition("=") for assignment in assignments or []]
    for key, sign, _ in pairs:
        if not sign:
            raise typer.BadParameter(f"expected KEY=VALUE, got {key!r}; for example --set encoder.epochs=40")
    end_server_with_this_process()
    try:
        train(str(workspace), {key: _parsed(key, value) for key, _, value in pairs}, push=push)
    except Exception as error:  # the run's log holds the trace
        sys.exit(f"train: {error}")


if __name__ == "__main__":
    typer.run(main)
