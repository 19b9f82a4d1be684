"""All steps of a batch run, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from hilander.batch.clustering import cluster
from hilander.batch.embedding import BATCH_SIZE, embed
from hilander.batch.fetching import fetch
from hilander.batch.identifying import identify
from hilander.batch.run_folder import RunFolder, find_run
from hilander.batch.working_folder import INPUT, working_folder
from hilander.batch.writing import write_run
from hilander.releases import release_in_service


def cluster_batch(
    source: str | Path,
    *,
    models: str | Path = "models",
    runs: str | Path = "runs",
    earlier_run: str | Path | None = None,
    dask_scheduler: str | None = None,
    linkage_threshold: float | Literal["adapted"] | None = None,
    random_state: int = 0,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    show_progress: bool = False,
) -> RunFolder:
    """Cluster a new set with the model in service.

    Parameters
    ----------
    source : str or Path
        Path or URL of images or embeddings; see `hilander.batch.fetch`.
    models : str or Path
        Folder of the releases, one of which is in service.
    runs : str or Path
        Folder that the new run folder goes into.
    earlier_run : str or Path, optional
        Run whose cluster ids are kept: its id, its folder, or ``latest``. See `hilander.batch.stable_ids`.
    dask_scheduler : str, optional
        Address of a Dask scheduler; images are then encoded and clustered on its workers, with the same labels.
    linkage_threshold : float or "adapted", optional
        In place of the model's own: higher gives more and finer clusters; "adapted" takes the one that suits the set.
    random_state : int
        Seed of the approximate neighbour search of large sets.
    batch_size : int
        Images encoded at once.
    device : str
        Where encoder and model run when no scheduler is given.
    show_progress : bool
        Draw progress bars.

    Returns
    -------
    RunFolder
        With ``clusters.parquet``, ``embeddings.npy``, ``report.html`` and ``run.json``.

    Raises
    ------
    FetchError
        The source could not be fetched for a reason that can pass.
    SourceError, DataError, ValueError
        There is no such source, or it is not what the model in service takes.
    FileNotFoundError
        No release in service, or no such earlier run.
    """
    release = release_in_service(models)
    earlier = find_run(runs, earlier_run)
    with working_folder(runs) as working:
        data = fetch(source, working / INPUT, show_progress=show_progress)
        embed(
            data, release, working,
            batch_size=batch_size, device=device, dask_scheduler=dask_scheduler, show_progress=show_progress,
        )  # fmt: skip
        parameters = {"linkage_threshold": linkage_threshold, "random_state": random_state}
        cluster(release, working, parameters=parameters, device=device, dask_scheduler=dask_scheduler)
        identify(release, working, earlier, device=device)
        return write_run(source, data, release, working, runs)
