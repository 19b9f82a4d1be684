"""Step ``identify``: keep the cluster ids of an earlier run, and say what changed since."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.atomic_write import atomic_folder
from hilander.batch.changes import compare_runs
from hilander.batch.run_folder import RunFolder
from hilander.batch.stable_ids import Identity, keep_ids, shared_rows
from hilander.batch.working_folder import (
    CLUSTERED,
    EMBEDDED,
    IDENTIFIED,
    ITEMS,
    read_embeddings,
    read_facts,
    read_items,
    write_facts,
)
from hilander.releases import Release

logger = logging.getLogger(__name__)

_SAME = 0.999  # cosine above which two embeddings are of the same item, stored and normalised anew
_ROWS_AT_ONCE = 65_536


def identify(release: Release, working: str | Path, earlier: RunFolder | None = None, *, device: str = "auto") -> Path:
    """Turn the labels that `cluster` wrote into stable ids; write ``working/identified``, whole or not at all.

    See `hilander.batch.stable_ids` for the rule. Without an earlier run, ids are the labels: 0..C-1 by decreasing size.
    Items that have no names, only row numbers, count as shared with the earlier run's item of the same row where their
    embeddings are the same too.

    Parameters
    ----------
    release : Release
        Its model matches clusters that share no item.
    working : str or Path
        Folder of this run's intermediate results.
    earlier : RunFolder, optional
        From `hilander.batch.find_run`.
    device : str
        Where the model runs.

    Raises
    ------
    FileNotFoundError
        `embed` or `cluster` has not run in this folder.
    ValueError
        The runs share no item, and their embeddings cannot be compared: other encoders, or another width.
    """
    started = time.perf_counter()
    table = read_items(working, CLUSTERED)
    labels = table["cluster"].to_numpy()
    changes: dict[str, Any] | None = None
    if earlier is None:
        identity = Identity(labels, int(labels.max()) + 1)
    else:
        embeddings, facts = read_embeddings(working), read_facts(working, EMBEDDED)
        earlier_table = earlier.clusters()
        shared = _shared(table, embeddings, earlier, earlier_table, by_position=facts["named_by_row"])
        before = earlier_table["cluster"].to_numpy()
        ids = table["id"].to_numpy(dtype=str)
        ask = None
        if _comparable(embeddings, facts["encoder"], earlier, n_shared=int((shared >= 0).sum())):

            def ask(rows: NDArray[np.int64]) -> NDArray[np.int64]:
                logger.info("the model is asked about %d items of clusters without a shared one", len(rows))
                clusterer = release.clusterer(device).adopt(earlier.embeddings(), before)
                return clusterer.assign(embeddings[rows]).labels

        identity = keep_ids(ids, labels, before, earlier.next_id, shared, ask)
        altered = None if ask is None else _altered(embeddings, earlier, shared)
        changes = asdict(compare_runs(identity.clusters, before, shared, items_altered=altered))
    with atomic_folder(Path(working) / IDENTIFIED) as folder:
        table.assign(cluster=identity.clusters).to_parquet(folder / ITEMS, index=False)
        write_facts(
            folder,
            earlier_run=None if earlier is None else earlier.run_id,
            next_id=identity.next_id,
            matched_by_items=identity.by_items,
            matched_by_model=identity.by_model,
            changes=changes,
            seconds=time.perf_counter() - started,
        )
    return Path(working) / IDENTIFIED


def _shared(
    table: pd.DataFrame,
    embeddings: NDArray[np.float32],
    earlier: RunFolder,
    earlier_table: pd.DataFrame,
    *,
    by_position: bool,
) -> NDArray[np.int64]:
    shared = shared_rows(table["id"].to_numpy(dtype=str), earlier_table["id"].to_numpy(dtype=str))
    if not (by_position or earlier.facts["named_by_row"]):
        return shared
    before, rows = earlier.embeddings(), np.flatnonzero(shared >= 0)
    if before.shape[1] != embeddings.shape[1]:
        return np.full_like(shared, -1)
    shared[rows[_cosine(embeddings, rows, before, shared[rows]) < _SAME]] = -1
    return shared


def _altered(embeddings: NDArray[np.float32], earlier: RunFolder, shared: NDArray[np.int64]) -> int:
    """How many shared items have another embedding than then; most of them, and they may be other items altogether."""
    rows = np.flatnonzero(shared >= 0)
    n_altered = int((_cosine(embeddings, rows, earlier.embeddings(), shared[rows]) < _SAME).sum())
    if 2 * n_altered > len(rows):
        logger.warning(
            "%d of the %d items that %s has by the same ids had other embeddings there. If these are other items, as "
            "of folders that each begin at 0001.jpg, their clusters kept ids that mean nothing: give every item an id "
            "of its own, or name no earlier run",
            n_altered, len(rows), earlier.run_id,
        )  # fmt: skip
    return n_altered


def _cosine(
    embeddings: NDArray[np.float32],
    rows: NDArray[np.int64],
    before: NDArray[np.float32],
    rows_before: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Cosine of pairs of rows, a part at a time: both files are mapped, and may be larger than memory."""
    cosine = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        cosine[part] = np.einsum("ij,ij->i", embeddings[rows[part]], before[rows_before[part]])
    return cosine


def _comparable(embeddings: NDArray[np.float32], encoder: str | None, earlier: RunFolder, *, n_shared: int) -> bool:
    """Whether a model may compare the embeddings of both runs; an error where nothing else could."""
    width, other = embeddings.shape[1], earlier.embeddings().shape[1]
    encoders = {encoder, earlier.facts["encoder"]} - {None}
    if width == other and len(encoders) < 2:
        return True
    what = f"of width {width} and {other}" if width != other else "made by different encoders"
    if n_shared:
        logger.warning("embeddings %s: clusters that share no item with %s get new ids", what, earlier.run_id)
        return False
    raise ValueError(
        f"no item of {earlier.run_id} is in this run, and their embeddings are {what}, so no cluster can be "
        "recognised. Run the earlier set again with the model in service, naming the earlier run, then name that new "
        "run here; or name none."
    )
