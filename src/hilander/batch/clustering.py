"""Step ``cluster``: embeddings to clusters, by the model in service."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.atomic_write import atomic_folder
from hilander.batch.working_folder import CLUSTERED, EMBEDDED, ITEMS, read_embeddings, read_items, write_facts
from hilander.estimator import HiLander
from hilander.releases import Release


@dataclass(frozen=True)
class Clusters:
    """What clustering n items gave; small enough to send.

    Attributes
    ----------
    labels : ndarray of shape (n,), int64
        0..C-1 by decreasing size.
    probabilities : ndarray of shape (n,), float32
    levels : list of dict
        ``nodes``, ``edges``, ``clusters`` of every level, finest first.
    settings : dict
        What the model decided by, such as ``linkage_threshold``.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    levels: list[dict[str, int]]
    settings: dict[str, Any]


def cluster(
    release: Release,
    working: str | Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    device: str = "auto",
    dask_scheduler: str | None = None,
) -> Path:
    """Cluster what `embed` wrote; write ``working/clustered``, whole or not at all.

    Parameters
    ----------
    release : Release
    working : str or Path
        Folder of this run's intermediate results.
    parameters : mapping, optional
        Of `HiLander`, in place of the model's own: ``linkage_threshold``, ``random_state``, ….
    device : str
        Where the model runs when no scheduler is given.
    dask_scheduler : str, optional
        Address of a Dask scheduler, one of whose workers clusters.

    Raises
    ------
    FileNotFoundError
        `embed` has not run in this folder.
    ValueError
        A parameter is out of its range, or ``outliers`` is not ``"keep"``.
    """
    if (outliers := (parameters or {}).get("outliers", "keep")) != "keep":
        raise ValueError(
            "outliers must be 'keep' in a batch run, where each item is in a cluster that may keep its id, one that "
            f"stands alone in one of its own; got {outliers!r}"
        )
    started = time.perf_counter()
    embeddings = read_embeddings(working)
    if dask_scheduler is None:
        found = fit_clusters(release.folder / "lander", embeddings, dict(parameters or {}), device)
    else:
        from hilander.batch.dask_clustering import cluster_on_a_worker

        found = cluster_on_a_worker(dask_scheduler, embeddings, release, dict(parameters or {}))
    table = read_items(working, EMBEDDED).assign(cluster=found.labels, probability=found.probabilities)
    with atomic_folder(Path(working) / CLUSTERED) as folder:
        table.to_parquet(folder / ITEMS, index=False)
        write_facts(folder, levels=found.levels, settings=found.settings, seconds=time.perf_counter() - started)
    return Path(working) / CLUSTERED


def fit_clusters(lander: Path, embeddings: NDArray[np.float32], parameters: dict[str, Any], device: str) -> Clusters:
    """Cluster with the model of a folder; the same on this machine and on a worker."""
    clusterer = HiLander.load(lander, device=device, **parameters).fit(embeddings)
    assert clusterer.model is not None  # a folder always holds one
    settings = asdict(clusterer.model.settings) | {k: v for k, v in parameters.items() if v is not None}
    settings["linkage_threshold"] = clusterer.linkage_threshold_
    levels = [{"nodes": row.n_nodes, "edges": row.n_edges, "clusters": row.n_clusters} for row in clusterer.levels_]
    return Clusters(clusterer.labels_, clusterer.probabilities_, levels, settings)
