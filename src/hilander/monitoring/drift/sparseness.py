"""Healthy windows that hold few items of each class: traffic that is thin makes items lonely, which is no drift.

A service that gets 500 photographs a day of 10,000 people sees hardly any of them twice. Its items have no neighbours
in the window, though each of them looks as ever. So a window that stands out by its density alone is compared with
draws of the reference that were thinned, each level about twice as much as the one before, to one row of each class.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.monitoring.drift.sampling import rows_to_compare, sample_window, split_rows
from hilander.monitoring.drift.statistics import DENSITY

Levels = list[tuple[int, int]]

_LONELY = 0.6  # quantile: were one item in ten of a dense window from elsewhere, its median would lie at .56


def may_be_sparse(beyond: set[str], scalars: pd.DataFrame, healthy: pd.DataFrame) -> bool:
    """Whether few items of each class would explain why these statistics lie beyond their limits.

    They must all tell how densely the items lie, and the typical item must be concerned: its cluster of unusual size
    or, where no model was asked, its nearest neighbour far away. Worn items, and a few of no class at all, are lonely
    long before that.
    """
    if not beyond or not beyond <= DENSITY:
        return False
    if "cluster_size" in healthy:
        return "cluster_size" in beyond
    return bool(scalars["distance_within"].median() > healthy["distance_within"].quantile(_LONELY))


def sparse_levels(n_window: int, labels: NDArray[np.int64], max_rows: int) -> Levels:
    """Return the levels of thinning, and the rows to compare at each: the fewer are kept, the fewer can be compared.

    Parameters
    ----------
    n_window : int
        Distinct rows of the window.
    labels : ndarray of shape (n,), int64
        Classes of the reference, 0..C-1.
    max_rows : int
        To compare at most.

    Returns
    -------
    list of (int, int)
        Level k keeps a share of 2**-k to 2**(1-k) of the rows; level 0 is none of them. The last, -1, keeps one or two
        rows of each class; it is missing where the reference has too few classes.
    """
    levels, level = [], 1
    while rows := rows_to_compare(n_window, len(labels) >> level, max_rows):
        levels.append((level, rows))
        level += 1
    rows = rows_to_compare(n_window, 3 * ((int(labels.max()) + 1) // 2), max_rows)
    return levels + ([(-1, rows)] if rows else [])


def draw_split(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64] | None,
    n_rows: int,
    random: np.random.Generator,
    level: int = 0,
    n_window: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw a healthy window out of the reference, and what it is compared with.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        The reference, L2-normalised.
    labels : ndarray of shape (n,), int64, or None
        With labels the two hold disjoint classes, none of more than n / 7 rows; without, any rows.
    n_rows : int
        At most a third of n.
    random : Generator
    level : int
        Of thinning, where there are labels; see `sparse_levels`.
    n_window : int, optional
        Rows of the window that so many are sampled from. Where there are labels, a draw is sampled from classes of
        about as many rows, by default from half of the reference: of a large set, a sample cuts more classes apart.

    Returns
    -------
    held, rest : ndarray of shape (n_rows,), int64
        Row numbers.
    """
    if labels is None:
        order = random.permutation(len(embeddings))
        return order[:n_rows], order[n_rows : 2 * n_rows]
    if level < 0:  # half of the classes, whatever their sizes: one row of each must do
        held_class = random.permutation(labels.max() + 1) < (labels.max() + 1) // 2
        pool, rest = np.flatnonzero(held_class[labels]), np.flatnonzero(~held_class[labels])
    else:
        pool, rest = split_rows(len(embeddings), labels, 0.5, random)
    if n_window is not None:
        n_window = int(random.integers(n_window, 4 * n_window // 3, endpoint=True))  # up to the next size
    pool = window_like(pool, labels, level, n_rows, n_window, random)
    held = pool[sample_window(embeddings[pool], n_rows, random, whole_classes=True)]
    return held, random.permutation(rest)[:n_rows]


def window_like(
    pool: NDArray[np.int64],
    labels: NDArray[np.int64],
    level: int,
    n_rows: int,
    n_window: int | None,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Keep so many of each class of the `pool`'s row numbers as the level says, and so many rows as a window has.

    Parameters
    ----------
    pool : ndarray of shape (m,), int64
        Row numbers.
    labels : ndarray of shape (n,), int64
        Class of every row.
    level : int
        See `sparse_levels`; how much of a class is kept is drawn at random within it.
    n_rows : int
        To keep at least; at most m.
    n_window : int or None
        About so many are kept, of whole classes before these are thinned; None for all.
    random : Generator
    """
    order = random.permutation(pool)
    if level < 0:  # a second row of a class comes after the first ones of all
        turn = pd.Series(labels[order]).groupby(labels[order]).cumcount().to_numpy()
        order = order[np.argsort(turn, kind="stable")]
        n_classes, of_each = int((turn == 0).sum()), 2.0 ** random.uniform(0, 1)
        if n_window is None:
            kept = int(np.exp(random.uniform(np.log(n_rows), np.log(max(n_rows, 2 * n_classes)))))
        else:
            n_classes = min(n_classes, int(n_window / of_each))
            of_some = np.isin(labels[order], labels[order[:n_classes]])
            if of_some.sum() >= n_rows:  # else many are of one row
                order = order[of_some]
            kept = int(of_each * n_classes)
    else:
        share = 2.0 ** random.uniform(-level, min(0, 1 - level))
        if n_window is not None:
            order = order[_of_whole_classes(labels[order], n_window / share, random)]
        kept = int(share * len(order))
    return np.sort(order[: max(n_rows, kept)])


def _of_whole_classes(labels: NDArray[np.int64], n_rows: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Where labels are of some random classes, of so many rows together, or a few more."""
    sizes = np.bincount(labels)
    classes = random.permutation(np.flatnonzero(sizes))
    n_classes = int(np.searchsorted(np.cumsum(sizes[classes]), n_rows)) + 1
    return np.isin(labels, classes[:n_classes])
