"""Compare incoming embeddings with what the model in service was made from; on sustained drift, say so and retrain.

``python flows/monitor.py`` runs it here and now, without a server; ``make deploy`` makes it a scheduled deployment.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.deployments import run_deployment
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound

from hilander.pipeline.temporary_server import end_server_with_this_process

if TYPE_CHECKING:
    from hilander.config import MonitorParams
    from hilander.monitoring.capture import Captures
    from hilander.monitoring.drift import Verdict
    from hilander.releases import Release

SUSTAINED = "hilander.drift.sustained"  # event, for automations


@task(retries=2, retry_delay_seconds=[3, 15], retry_condition_fn=lambda task, run, state: isinstance(
    state.result(raise_on_failure=False), OSError
))  # fmt: skip
def read_window(home: Path, params: MonitorParams, versions: list[str]) -> Captures:
    """Read what those releases answered lately; a store that does not answer may be back in a minute."""
    from hilander.monitoring.capture import read_captures

    url = params.captures if "://" in params.captures else str(home / params.captures)
    now = datetime.now(UTC)  # rows of a clock that was ahead would be the latest until it is that late
    since = now - timedelta(hours=params.window_hours)
    return read_captures(url, since=since, until=now, max_rows=params.max_rows, model_version=versions)


@task(timeout_seconds=3600)
def judge(window: Captures, release: Release, folder: Path, keep_reports: int) -> Verdict | None:
    """Reach a verdict, keep it, and show it with its report; none where hardly any embedding differs from another."""
    from hilander.monitoring.drift import DriftMonitor, TooFewRows
    from hilander.monitoring.drift.report import write_drift_report
    from hilander.monitoring.history import Judgement, append_judgement
    from hilander.monitoring.kept_reports import remove_old_reports, report_path

    monitor = DriftMonitor.of_release(release, calibration_folder=folder / "calibration")
    try:
        comparison = monitor.compare(window.embeddings)
    except TooFewRows as error:
        get_run_logger().info("%s", error)
        return None
    verdict, now = comparison.verdict, datetime.now(UTC)
    report = report_path(folder, now).resolve()
    facts = {"Captured": f"{window.times.min()} to {window.times.max()}", "Model": release.version}
    write_drift_report(report, comparison, facts=facts)
    append_judgement(folder, Judgement(now, release.version, verdict))
    remove_old_reports(folder, keep_reports, now)
    create_table_artifact(
        key="drift",
        description=f"{'DRIFT' if verdict.drifted else 'No drift'}: {' '.join(verdict.reasons)}",
        table=[
            {
                "statistic": statistic.title,
                "value": round(statistic.value, 4),
                "threshold": round(statistic.threshold, 4),
                "verdict": "DRIFTED" if statistic.drifted else "usual",
            }
            for statistic in verdict.statistics
        ],
    )
    create_markdown_artifact(key="drift-report", markdown=f"[The drift report]({report.as_uri()}): `{report}`")
    return verdict


@task
def start_training(folder: Path, cool_down: timedelta) -> bool:
    """Start the deployment ``train/local``, unless drift has started one lately."""
    from filelock import FileLock

    from hilander.atomic_write import atomic_file
    from hilander.monitoring.history import cooled_down

    log, record = get_run_logger(), folder / "last_training.json"
    with FileLock(folder / "training.lock"):  # of two runs at once the second one must see what the first one started
        now, (last, run_id) = datetime.now(UTC), _read_training(record)
        while cooled_down(last, now, cool_down) or _never_began(run_id):
            try:
                # Where a run was killed before it noted what it had started, the server answers with that one.
                key = f"drift {record.resolve()} after {last}"
                started = run_deployment("train/local", timeout=0, idempotency_key=key)
            except ObjectNotFound:
                log.warning(
                    "no deployment train/local on this server, so no training was started; `make deploy` makes one"
                )
                return False
            last, run_id = started.created or now, started.id
            with atomic_file(record) as temporary:
                temporary.write_text(json.dumps({"created": last.isoformat(), "flow_run": str(run_id)}))
            if started.state is None or not started.state.is_final():  # else one of long ago: the record was deleted
                log.info("started %s at %s", started.name, started.created)
                return True
    log.info("drift has started a training at %s; the next one may start %s after it", last, cool_down)
    return False


def _read_training(record: Path) -> tuple[datetime | None, UUID | None]:
    """Return when drift has started the last training, and its flow run."""
    if not record.is_file():
        return None, None
    noted = json.loads(record.read_text(encoding="utf-8"))
    if isinstance(noted, str):  # as versions before wrote it
        return datetime.fromisoformat(noted), None
    return datetime.fromisoformat(noted["created"]), UUID(noted["flow_run"])


def _never_began(run_id: UUID | None) -> bool:
    """Tell whether a training failed before its first task, as where another run held the workspace for too long."""
    if run_id is None:
        return False
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(run_id).state
        except ObjectNotFound:  # it was deleted, or is another server's
            return False
        if state is None or not (state.is_failed() or state.is_crashed()):  # who cancels one wants no other
            return False
        of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
        return not client.read_task_runs(flow_run_filter=of_run, limit=1)


@flow(name="monitor", flow_run_name=lambda: f"monitor {time.strftime('%Y-%m-%d %H:%M')}")
def monitor(workspace: str = ".", models: str = "models", folder: str = "monitoring") -> str:
    """Judge the embeddings that came in lately, as ``monitor`` in params.yaml says.

    Parameters
    ----------
    workspace : str
        Folder of params.yaml, which the other paths are relative to.
    models : str
        Folder of releases.
    folder : str
        Where verdicts and reports are kept.

    Returns
    -------
    str
        ``too little``, ``no drift``, ``drift`` or ``sustained drift``.
    """
    from hilander.config import load_params
    from hilander.monitoring.history import read_history, sustained
    from hilander.releases import release_in_service, versions_of_same_encoder

    log, home = get_run_logger(), Path(workspace).resolve()
    params = load_params(home / "params.yaml").monitor
    release = release_in_service(home / models)
    window = read_window(home, params, versions_of_same_encoder(home / models, release))
    if len(window) < params.min_rows:
        log.info(
            "%d embeddings came in during the last %g hours, fewer than monitor.min_rows (%d): no verdict",
            len(window), params.window_hours, params.min_rows,
        )  # fmt: skip
        return "too little"
    # Those that the last verdicts are about stay, however few are to be kept.
    verdict = judge(window, release, home / folder, max(params.keep_reports, params.sustained))
    if verdict is None:
        return "too little"
    for reason in verdict.reasons:
        log.log(30 if verdict.drifted else 20, "%s", reason)
    lately = read_history(home / folder, last=params.sustained, model_version=release.version)
    if not sustained(lately, params.sustained):
        return "drift" if verdict.drifted else "no drift"
    emit_event(
        SUSTAINED,
        resource={"prefect.resource.id": f"hilander.model.{release.version}", "prefect.resource.name": release.version},
        payload={"reasons": verdict.reasons, "verdicts": params.sustained},
    )
    log.warning("the last %d verdicts all say drift: event %s", params.sustained, SUSTAINED)
    if params.retrain:
        start_training(home / folder, timedelta(hours=params.cool_down_hours))
    return "sustained drift"


def main(workspace: Annotated[Path, typer.Option(help="Folder of params.yaml and models/.")] = Path()) -> None:
    """Judge the embeddings that came in lately; exit code 3 where they have drifted.

    Examples:

        python flows/monitor.py
    """
    end_server_with_this_process()
    try:
        verdict = monitor(str(workspace))
    except Exception as error:  # the run's log holds the trace
        sys.exit(f"monitor: {error}")
    sys.exit(3 if "drift" in verdict and verdict != "no drift" else 0)


if __name__ == "__main__":
    typer.run(main)
