"""Step ``write_run``: the results of a working folder, with their report, as one run folder."""

from __future__ import annotations

import errno
import json
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilander.atomic_write import atomic_folder
from hilander.batch.redaction import redact
from hilander.batch.report import write_run_report
from hilander.batch.run_folder import (
    CLUSTERS,
    EMBEDDINGS,
    FORMAT,
    MANIFEST,
    REPORT,
    RunFolder,
    check_run_id,
    new_run_id,
)
from hilander.batch.stable_ids import shared_rows
from hilander.batch.working_folder import (
    CLUSTERED,
    EMBEDDED,
    IDENTIFIED,
    ITEMS,
    read_facts,
    read_items,
    working_folder,
)
from hilander.data.errors import DataError
from hilander.data.images import Images
from hilander.data.read import read_dataset
from hilander.model_folder import digest_of
from hilander.releases import Release

logger = logging.getLogger(__name__)


def write_run(
    source: str | Path,
    data: str | Path,
    release: Release,
    working: str | Path,
    runs: str | Path = "runs",
    *,
    run_id: str | None = None,
) -> RunFolder:
    """Write ``runs/<run_id>``, whole or not at all, from what `identify` and the steps before it left.

    Parameters
    ----------
    source : str or Path
        What was asked for; written without its secrets.
    data : str or Path
        Where `fetch` put it: thumbnails come from there.
    release : Release
        The one that embedded and clustered.
    working : str or Path
        Folder of this run's intermediate results; it is not changed, and no longer needed afterwards.
    runs : str or Path
        Folder of all runs.
    run_id : str, optional
        Name of the new one, of a folder that is not hidden; time and a random part by default.

    Raises
    ------
    FileNotFoundError
        A step has not run in this working folder.
    ValueError
        A name that `find_run` could not find again.
    FileExistsError
        There is a run of this name.
    """
    run_id = new_run_id() if run_id is None else check_run_id(run_id)
    target = Path(runs) / run_id
    if target.exists():
        raise FileExistsError(f"there is a run {run_id} in {runs} already; choose another name")
    embedded, clustered, identified = (read_facts(working, step) for step in (EMBEDDED, CLUSTERED, IDENTIFIED))
    table = read_items(working, IDENTIFIED)
    sizes = np.unique(table["cluster"], return_counts=True)[1]
    facts: dict[str, Any] = {
        "format": FORMAT,
        "run_id": run_id,
        "made_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "source": redact(source),
        "release": release.version,
        "encoder": embedded["encoder"],
        "named_by_row": embedded["named_by_row"],
        "counts": {"items": len(table), "clusters": len(sizes), "clusters_of_one": int((sizes == 1).sum())},
        "levels": clustered["levels"],
        "settings": clustered["settings"],
        "seconds": {
            step: round(found["seconds"], 3)
            for step, found in (("embed", embedded), ("cluster", clustered), ("identify", identified))
        },
        "next_id": identified["next_id"],
        "earlier_run": identified["earlier_run"],
        "matched_by_items": identified["matched_by_items"],
        "matched_by_model": identified["matched_by_model"],
        "changes": identified["changes"],
    }
    images = _images(data, embedded, table)
    # In a working folder, which the next run removes where this one is killed.
    with working_folder(runs) as half_made:
        with atomic_folder(half_made / run_id) as folder:
            shutil.copyfile(Path(working) / IDENTIFIED / ITEMS, folder / CLUSTERS)
            shutil.copyfile(Path(working) / EMBEDDED / EMBEDDINGS, folder / EMBEDDINGS)
            write_run_report(folder / REPORT, facts, table, images=images, metrics=release.metrics)
            facts["files"] = {name: digest_of(folder / name) for name in (CLUSTERS, EMBEDDINGS, REPORT)}
            (folder / MANIFEST).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        try:
            (half_made / run_id).replace(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise FileExistsError(
                f"another run has been written as {run_id} to {runs} while this one was; write this one again under "
                "another name"
            ) from None
    return RunFolder.load(target)


def _images(data: str | Path, embedded: dict[str, Any], table: pd.DataFrame) -> Images | None:
    """The images in the order of the table, where images were embedded: a folder may have changed since."""
    if embedded["encoder"] is None:
        return None
    try:
        dataset = read_dataset(data)
    except (DataError, OSError) as error:
        logger.warning("the report names items without their images: %s", error)
        return None
    rows = shared_rows(table["id"].to_numpy(dtype=str), dataset.ids)
    if dataset.images is None or (rows < 0).any():
        logger.warning("the report names items without their images, some of which are no longer in %s", data)
        return None
    return dataset.images.take(rows)
