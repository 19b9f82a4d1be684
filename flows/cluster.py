"""Cluster a new set with the model in service, into a run folder of its own.

``python flows/cluster.py --help`` runs it here and now, without a server; ``make deploy`` makes it a deployment.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.states import State

from hilander.batch import redact
from hilander.pipeline.temporary_server import end_server_with_this_process

if TYPE_CHECKING:
    from hilander.batch import RunFolder
    from hilander.releases import Release


def _may_pass(task: Any, task_run: Any, state: State) -> bool:
    """A server that does not answer may be back in a minute; a source that does not exist will not be."""
    from hilander.batch import FetchError

    return isinstance(state.result(raise_on_failure=False), FetchError)


@task(retries=2, retry_delay_seconds=[3, 15], retry_condition_fn=_may_pass, timeout_seconds=24 * 3600)
def fetch(source: str, working: Path) -> Path:
    """Bring the set here; a download that was cut short carries on."""
    from hilander.batch import fetch
    from hilander.batch.working_folder import INPUT

    return fetch(source, working / INPUT)


@task(timeout_seconds=48 * 3600)
def embed(data: Path, release: Release, working: Path, dask_scheduler: str | None) -> None:
    """Images to embeddings, or take the embeddings that came."""
    from hilander.batch import embed

    embed(data, release, working, dask_scheduler=dask_scheduler)


@task(timeout_seconds=24 * 3600)
def find_clusters(release: Release, working: Path, threshold: float | str | None, dask_scheduler: str | None) -> None:
    """Embeddings to clusters."""
    from hilander.batch import cluster

    cluster(release, working, parameters={"linkage_threshold": threshold}, dask_scheduler=dask_scheduler)


@task(timeout_seconds=3600)
def identify(release: Release, working: Path, earlier: RunFolder | None) -> None:
    """Clusters that an earlier run knew keep their ids."""
    from hilander.batch import identify

    identify(release, working, earlier)


@task(timeout_seconds=3600)
def write_run(source: str, data: Path, release: Release, working: Path, runs: Path) -> RunFolder:
    """Write the run folder, and show what it holds."""
    from hilander.batch import write_run

    run = write_run(source, data, release, working, runs)
    report = run.report.resolve()
    create_table_artifact(
        key="clusters",
        description=f"Run {run.run_id} with model {release.version}",
        table=[{"fact": name, "value": value} for name, value in run.facts["counts"].items()],
    )
    create_markdown_artifact(key="cluster-report", markdown=f"[The report of this run]({report.as_uri()}): `{report}`")
    return run


@flow(name="cluster", flow_run_name=lambda: f"cluster {time.strftime('%Y-%m-%d %H:%M')}")
def cluster(
    source: str,
    workspace: str = ".",
    models: str = "models",
    runs: str = "runs",
    earlier_run: str | None = None,
    dask_scheduler: str | None = None,
    linkage_threshold: float | Literal["adapted"] | None = None,
) -> str:
    """Cluster a set of embeddings or images with the model in service.

    Parameters
    ----------
    source : str
        Path, or URL that fsspec opens. Keep credentials out of it, since the server shows it to whoever may look:
        drivers take them from the environment or from ~/.config/fsspec.
    workspace : str
        Folder that the other paths are relative to.
    models, runs : str
        Folders of releases, and of run folders.
    earlier_run : str, optional
        Id or folder of an earlier run, or "latest": clusters that it knew keep their ids.
    dask_scheduler : str, optional
        Address of a Dask scheduler, whose workers do the heavy work: "tcp://host:8786".
    linkage_threshold : float or "adapted", optional
        In place of the model's own: higher gives more and finer clusters; "adapted" takes the one that suits the set.

    Returns
    -------
    str
        The run folder.
    """
    from hilander.batch import find_run
    from hilander.batch.working_folder import working_folder
    from hilander.releases import release_in_service

    if isinstance(linkage_threshold, float | int) and not 0 <= linkage_threshold <= 1:  # before images are encoded
        raise ValueError(f"linkage_threshold must lie within [0, 1] or be 'adapted', got {linkage_threshold}")
    home = Path(workspace).resolve()
    folder = home / runs
    release = release_in_service(home / models)
    earlier = find_run(folder, earlier_run)
    with working_folder(folder) as working:
        data = fetch(source if "://" in source else str(home / source), working)
        embed(data, release, working, dask_scheduler)
        find_clusters(release, working, linkage_threshold, dask_scheduler)
        identify(release, working, earlier)
        run = write_run(source, data, release, working, folder)
    get_run_logger().info("%s clustered with model %s: %s", redact(source), release.version, run.folder)
    return str(run.folder)


def main(
    source: Annotated[str, typer.Argument(help="Embeddings or images: a path, or a URL that fsspec opens.")],
    workspace: Annotated[Path, typer.Option(help="Folder of models/ and runs/.")] = Path(),
    earlier_run: Annotated[
        str | None,
        typer.Option(help="Id of an earlier run, or latest: its clusters keep their ids.", show_default=False),
    ] = None,
    dask_scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler whose workers do the heavy work.", show_default=False)
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(help="Linkage threshold in place of the model's own; adapted: what suits.", show_default=False),
    ] = None,
) -> None:
    """Cluster a new set with the model in service, into a folder under runs/.

    Examples:

        python flows/cluster.py new_embeddings.npy

        python flows/cluster.py s3://bucket/photos/ --earlier-run latest --dask-scheduler tcp://host:8786
    """
    from hilander.cli.inputs import parse_threshold

    end_server_with_this_process()
    try:
        given = parse_threshold(threshold)
        source = source if "://" in source else str(Path(source).resolve())
        cluster(source, str(workspace), earlier_run=earlier_run, dask_scheduler=dask_scheduler, linkage_threshold=given)
    except Exception as error:  # the run's log holds the trace
        sys.exit(f"cluster: {redact(error)}")


if __name__ == "__main__":
    typer.run(main)
