"""What changed from one run to the next, told by the items that both hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_LISTED = 20


@dataclass(frozen=True)
class Changes:
    """Differences between a run and an earlier one, in stable cluster ids.

    Attributes
    ----------
    items_shared, items_added, items_gone : int
        Items that both runs hold, only this one, only the earlier one.
    items_moved : int
        Shared items whose cluster id is another one now.
    clusters_kept, clusters_new, clusters_vanished : int
        Cluster ids of both runs, only of this one, only of the earlier one.
    clusters_split : int
        Earlier clusters whose shared items lie in several clusters now.
    clusters_merged : int
        Clusters that hold shared items of several earlier ones.
    splits, merges : list of dict
        Those that moved the most items, at most 20: ``cluster``, and ``parts``, a list of [cluster, items] by
        decreasing items.
    items_altered : int or None
        Shared items that have another embedding now; None where the embeddings cannot be compared.
    """

    items_shared: int
    items_added: int
    items_gone: int
    items_moved: int
    clusters_kept: int
    clusters_new: int
    clusters_vanished: int
    clusters_split: int
    clusters_merged: int
    splits: list[dict]
    merges: list[dict]
    items_altered: int | None = None


def compare_runs(
    clusters: NDArray[np.int64],
    earlier_clusters: NDArray[np.int64],
    shared: NDArray[np.int64],
    items_altered: int | None = None,
) -> Changes:
    """Compare two runs.

    Parameters
    ----------
    clusters : ndarray of shape (n,), int64
        Stable cluster id of each item.
    earlier_clusters : ndarray of shape (m,), int64
        The same of the earlier run.
    shared : ndarray of shape (n,), int64
        Row of each item in the earlier run, or -1.
    items_altered : int, optional
        What `Changes` says of them.
    """
    now, before = clusters[shared >= 0], earlier_clusters[shared[shared >= 0]]
    known, known_before = np.unique(clusters), np.unique(earlier_clusters)
    kept = int(np.isin(known, known_before).sum())
    n_split, splits = _regrouped(before, now)
    n_merged, merges = _regrouped(now, before)
    return Changes(
        items_shared=len(now),
        items_added=len(clusters) - len(now),
        items_gone=len(earlier_clusters) - len(now),
        items_moved=int((now != before).sum()),
        clusters_kept=kept,
        clusters_new=len(known) - kept,
        clusters_vanished=len(known_before) - kept,
        clusters_split=n_split,
        clusters_merged=n_merged,
        splits=splits,
        merges=merges,
        items_altered=items_altered,
    )


def _regrouped(whole: NDArray[np.int64], part: NDArray[np.int64]) -> tuple[int, list[dict]]:
    """How many clusters of `whole` hold items of several of `part`, and those with the most outside the largest."""
    cells = pd.DataFrame({"cluster": whole, "part": part}).value_counts(sort=False).rename("items").reset_index()
    groups = cells.groupby("cluster")["items"].agg(["size", "sum", "max"])
    groups = groups[groups["size"] > 1]
    moved = (groups["sum"] - groups["max"]).sort_values(ascending=False, kind="stable")
    listed = []
    for cluster in moved.index[:MOST_LISTED]:
        parts = cells[cells["cluster"] == cluster].sort_values(["items", "part"], ascending=[False, True])
        listed.append({"cluster": int(cluster), "parts": parts[["part", "items"]].astype(int).to_numpy().tolist()})
    return len(groups), listed
