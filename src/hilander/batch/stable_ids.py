"""Cluster ids that stay the same from run to run.

The rule
--------
Two runs *share* an item where both have its id.

1. New clusters that hold shared items are matched one-to-one with the earlier clusters of these items, so that as many
   shared items as possible keep their cluster id. So of the parts of a split the largest keeps the id, unless more
   items keep theirs if it takes another one, and a merged cluster takes the id of its largest part.
2. New clusters without a shared item, and earlier ones without one, are matched by the model: each such new cluster
   asks up to 16 of its items which earlier cluster they belong to. If more than half name the same one, it is a
   claim; of several claims to one earlier cluster, that of the most items wins.
3. Every other new cluster gets an id that no run of the chain has used, in order of decreasing size.

Which rows the items stand in and how the clusters were numbered make no difference: ties go to the cluster whose
first id comes first in sorted order, and to the earlier cluster of the smaller id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

ASKED_PER_CLUSTER = 16
NONE = -1

AskModel = Callable[[NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True)
class Identity:
    """Stable ids of a run's clusters.

    Attributes
    ----------
    clusters : ndarray of shape (n,), int64
        Stable id of every item's cluster.
    next_id : int
        The first id that no run of the chain has used.
    by_items, by_model : int
        Clusters that kept an earlier id, for their shared items or by the model's word.
    """

    clusters: NDArray[np.int64]
    next_id: int
    by_items: int = 0
    by_model: int = 0


def keep_ids(
    ids: NDArray[np.str_],
    labels: NDArray[np.int64],
    earlier_clusters: NDArray[np.int64],
    next_id: int,
    shared: NDArray[np.int64],
    ask_model: AskModel | None = None,
) -> Identity:
    """Give the clusters of a run the ids that they had in an earlier one; see the module for the rule.

    Parameters
    ----------
    ids : ndarray of shape (n,), str
        Unique names of the items.
    labels : ndarray of shape (n,), int64
        Their clusters, numbered anyhow.
    earlier_clusters : ndarray of shape (m,), int64
        Stable ids of the earlier run's items.
    next_id : int
        Of the earlier run.
    shared : ndarray of shape (n,), int64
        Row of each item in the earlier run, -1 where it is not there; from `shared_rows`.
    ask_model : callable, optional
        From rows of this run to the stable id of the earlier cluster that each belongs to, or -1. Called at most
        once, and only where clusters are left on both sides. Without it nothing is matched by the model.
    """
    by_name = np.argsort(ids, kind="stable")
    labels, shared = _in_order_of_appearance(labels[by_name]), shared[by_name]
    known, earlier = np.unique(earlier_clusters, return_inverse=True)
    n_clusters, is_shared = int(labels.max()) + 1, shared >= 0
    matched = match_by_overlap(labels[is_shared], earlier[shared[is_shared]], n_clusters, len(known))
    by_items = int((matched >= 0).sum())

    untold = np.bincount(labels[is_shared], minlength=n_clusters) == 0
    unseen = np.bincount(earlier[shared[is_shared]], minlength=len(known)) == 0
    if ask_model is not None and untold.any() and unseen.any():
        asked = _some_members(labels, untold)
        answers = ask_model(by_name[asked])
        named = np.where(answers >= 0, np.searchsorted(known, answers), NONE)
        named = np.where((named >= 0) & unseen[named], named, NONE)
        claims = match_by_votes(labels[asked], named, np.bincount(labels, minlength=n_clusters))
        matched[claims >= 0] = claims[claims >= 0]

    stable = np.where(matched >= 0, known[matched], NONE)
    new = np.flatnonzero(matched < 0)
    new = new[np.argsort(-np.bincount(labels, minlength=n_clusters)[new], kind="stable")]
    stable[new] = next_id + np.arange(len(new))
    clusters = np.empty_like(labels)
    clusters[by_name] = stable[labels]
    return Identity(clusters, next_id + len(new), by_items, int((matched >= 0).sum()) - by_items)


def shared_rows(ids: NDArray[np.str_], earlier_ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return the row of each item in the earlier run, -1 where it is not there; ids must be unique.

    Examples
    --------
    >>> shared_rows(np.array(["a", "b", "c"]), np.array(["c", "a"]))
    array([ 1, -1,  0])
    """
    return pd.Index(earlier_ids.astype(object)).get_indexer(pd.Index(ids.astype(object))).astype(np.int64)


def match_by_overlap(
    labels: NDArray[np.int64], earlier: NDArray[np.int64], n_clusters: int, n_earlier: int
) -> NDArray[np.int64]:
    """Match clusters one-to-one with earlier ones so that the most items agree.

    Parameters
    ----------
    labels, earlier : ndarray of shape (m,), int64
        Cluster of each shared item in either run, below `n_clusters` and `n_earlier`.
    n_clusters, n_earlier : int

    Returns
    -------
    ndarray of shape (n_clusters,), int64
        The earlier cluster, or -1. Clusters that share no item are never matched.

    Examples
    --------
    >>> match_by_overlap(np.array([0, 0, 0, 1, 1]), np.array([5, 5, 5, 5, 5]), 2, 6)
    array([ 5, -1])
    """
    cells, counts = np.unique(labels * n_earlier + earlier, return_counts=True)
    row, column = cells // n_earlier, cells % n_earlier
    matched = np.full(n_clusters, NONE, np.int64)
    while len(row):
        # A pair that outweighs the best other pair of its row and that of its column together is part of a best
        # matching: any matching without it gains by swapping those two for it. Almost all pairs fall at once so.
        certain = counts >= _best_other(row, counts) + _best_other(column, counts)
        pairs = np.flatnonzero(certain)
        pairs = pairs[_first_of_each(row[pairs]) & _first_of_each(column[pairs])]  # of equal ones the first
        if not len(pairs):
            matched_row, matched_column = _match_exactly(row, column, counts)
            matched[matched_row] = matched_column
            break
        matched[row[pairs]] = column[pairs]
        left = ~np.isin(row, row[pairs]) & ~np.isin(column, column[pairs])
        row, column, counts = row[left], column[left], counts[left]
    return matched


def match_by_votes(labels: NDArray[np.int64], named: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Match clusters with the earlier ones that more than half of their asked items name, one-to-one.

    Parameters
    ----------
    labels : ndarray of shape (a,), int64
        Cluster of each item asked.
    named : ndarray of shape (a,), int64
        Earlier cluster that it names, or -1.
    sizes : ndarray of shape (n_clusters,), int64
        Items of each cluster: of two clusters that claim the same one, the larger (by the share that agrees) wins.

    Returns
    -------
    ndarray of shape (n_clusters,), int64
        The earlier cluster, or -1.
    """
    asked = np.bincount(labels, minlength=len(sizes))
    votes = pd.DataFrame({"cluster": labels, "named": named}).query("named >= 0").value_counts().reset_index()
    share = votes["count"].to_numpy() / asked[votes["cluster"].to_numpy()]
    votes["strength"] = share * sizes[votes["cluster"].to_numpy()]
    claims = votes[share > 0.5].sort_values(["strength", "cluster"], ascending=[False, True])
    claims = claims.drop_duplicates("named")
    matched = np.full(len(sizes), NONE, np.int64)
    matched[claims["cluster"].to_numpy()] = claims["named"].to_numpy()
    return matched


def _in_order_of_appearance(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    return pd.factorize(labels)[0].astype(np.int64)


def _some_members(labels: NDArray[np.int64], wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Up to 16 members of each wanted cluster, evenly spread over its members in order of name."""
    rows = np.flatnonzero(wanted[labels])
    rows = rows[np.argsort(labels[rows], kind="stable")]
    sizes = np.bincount(labels[rows])[labels[rows]]
    start = np.flatnonzero(np.diff(labels[rows], prepend=-1))
    place = np.arange(len(rows)) - np.repeat(start, np.diff(np.append(start, len(rows))))
    step = np.maximum(-(-sizes // ASKED_PER_CLUSTER), 1)
    return rows[place % step == 0]


def _best_other(group: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each pair, the largest count among the other pairs of its group, 0 where there is none."""
    order = np.lexsort((-counts, group))
    is_first = np.zeros(len(group), bool)
    is_first[order[_first_of_each(group[order])]] = True
    best, second = (np.zeros(group.max() + 1, counts.dtype) for _ in range(2))
    best[group[is_first]] = counts[is_first]
    np.maximum.at(second, group[~is_first], counts[~is_first])
    return np.where(is_first, second[group], best[group])


def _first_of_each(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    first = np.zeros(len(values), bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first


def _match_exactly(
    row: NDArray[np.int64], column: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Maximum-weight matching of a sparse bipartite graph, rows left over allowed."""
    rows, r = np.unique(row, return_inverse=True)
    columns, c = np.unique(column, return_inverse=True)
    # Every row has a column of its own to stay single with; weights of zero would not count as edges, hence the 1.
    weights = sparse.csr_array((counts + 1, (r, c)), shape=(len(rows), len(columns)))
    single = sparse.eye_array(len(rows), dtype=counts.dtype)
    matched_row, matched_column = min_weight_full_bipartite_matching(
        sparse.csr_array(sparse.hstack([weights, single])), maximize=True
    )
    paired = matched_column < len(columns)
    return rows[matched_row[paired]], columns[matched_column[paired]]
