"""Rows to compare: class-disjoint draws of the reference, and windows sampled so that they look like one."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

MIN_ROWS = 64
_ROWS_PER_REGION = 24  # about a class or two; see `sample_window`
_ROWS_FOR_AXIS = 5_000
_ROWS_AT_ONCE = 65_536


def rows_to_compare(n_window: int, n_reference: int, max_rows: int) -> int:
    """Return how many rows of each side are compared.

    At most a third of the reference, so that a draw leaves enough of it to compare with; two sizes per octave, so
    that windows of about one size share a calibration.
    """
    return size_below(min(n_window, n_reference // 3, max_rows))


def size_below(n: int) -> int:
    """Return the largest of the sizes that is at most n; 0 where none is.

    Examples
    --------
    >>> size_below(63), size_below(200), size_below(10_000)
    (0, 192, 8192)
    """
    sizes = [size for power in range(6, 32) for size in (2**power, 3 * 2 ** (power - 1)) if size <= n]
    return max(sizes, default=0)


def cut_large_classes(embeddings: NDArray[np.float32], labels: NDArray[np.int64], most_rows: int) -> NDArray[np.int64]:
    """Return labels in which classes of more than `most_rows` are several, cut across the axis along which they vary.

    Draws hold out whole classes. One that makes up much of a reference would be in all of them or in none; parts of it
    that lie in regions of their own come and go as classes do.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised.
    labels : ndarray of shape (n,), int64
        Classes 0..C-1.
    most_rows : int
        1 or more.
    """
    cut, sizes = labels.copy(), np.bincount(labels)
    n_classes = len(sizes)
    for large in np.flatnonzero(sizes > most_rows):
        rows = np.flatnonzero(labels == large)
        some = embeddings[rows[:: -(-len(rows) // _ROWS_FOR_AXIS)]]
        axis = np.linalg.eigh(np.cov(some.T))[1][:, -1].astype(np.float32)
        along = rows[np.argsort(embeddings[rows] @ axis, kind="stable")]
        for part in np.array_split(along, -(-len(rows) // most_rows))[1:]:
            cut[part] = n_classes
            n_classes += 1
    return cut


def split_rows(
    n: int, labels: NDArray[np.int64] | None, share: float, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split row numbers 0..n-1 in two, the first of about that `share`; by classes where there are labels."""
    if labels is None:
        order = random.permutation(n)
        return np.sort(order[: int(share * n)]), np.sort(order[int(share * n) :])
    rank = random.permutation(labels.max() + 1)[labels]
    limit = np.sort(rank)[int(share * n)]
    return np.flatnonzero(rank < limit), np.flatnonzero(rank >= limit)


def sample_window(
    embeddings: NDArray[np.float32], n_rows: int, random: np.random.Generator, *, whole_classes: bool
) -> NDArray[np.int64]:
    """Return row numbers of a sample of a window of unknown classes.

    A plain sample of rows would leave one or two of each class, and items would look lonely. So whole regions are
    taken where the reference's draws hold whole classes: every row belongs to the nearest of some random rows.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised.
    n_rows : int
        At most n.
    random : Generator
    whole_classes : bool
        Whether to take regions.
    """
    n = len(embeddings)
    order = random.permutation(n)
    if not whole_classes:
        return order[:n_rows]
    place = np.empty_like(order)
    place[order] = np.arange(n)
    centres = embeddings[order[: -(-n // _ROWS_PER_REGION)]]
    n_first = -(-n_rows // _ROWS_PER_REGION)
    while True:  # regions differ in size
        rows, region = _first_regions(embeddings, centres, n_first)
        if len(rows) >= n_rows:
            return rows[np.lexsort((place[rows], region))][:n_rows]
        n_first *= 2


def _first_regions(
    embeddings: NDArray[np.float32], centres: NDArray[np.float32], n_first: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that belong to one of the first so many centres, and to which.

    Most rows are nearer to one of the next few centres, so that few are left to compare with all others.
    """
    found = []
    for first in range(0, len(embeddings), _ROWS_AT_ONCE):  # what is left is copied, and a window may hold millions
        block = embeddings[first : first + _ROWS_AT_ONCE]
        rows = np.arange(len(block))
        nearness, region = _nearest(block, centres[:n_first])
        start = n_first
        while start < len(centres):
            others, _ = _nearest(block[rows], centres[start : 2 * start])
            still = others <= nearness
            rows, nearness, region = rows[still], nearness[still], region[still]
            start *= 2
        found.append((first + rows, region))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([region for _, region in found])


def _nearest(
    embeddings: NDArray[np.float32], centres: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return each row's similarity to the nearest centre, and which that is."""
    similarity, nearest = faiss.knn(embeddings, centres, 1, metric=faiss.METRIC_INNER_PRODUCT)
    return similarity[:, 0], nearest[:, 0]
