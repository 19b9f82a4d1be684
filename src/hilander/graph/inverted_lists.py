"""Inverted lists: rows grouped by their nearest centroid, and how far beyond it each has to look for neighbours."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.exact_search import compare_with_all
from hilander.graph.kmeans import nearest_centroid, spherical_kmeans
from hilander.graph.quantization import approximate_products, quantize
from hilander.graph.threads import by_threads
from hilander.paged_arrays import let_go

logger = logging.getLogger(__name__)

TARGET_RECALL = 0.9975  # on the sample; a true one of .98 already changes labels
_CALIBRATION_QUERIES = 768
_TRAINING_ROWS_PER_LIST = 40  # with half as many, lists fit the rows they were made from better than others
_TRAINING_ROUNDS = 5
_PAIRS_PER_CENTROID = 8  # of one row; up to there what more lists could spare is not worth making them
_FEWEST_TRAINING_ROWS = 10  # of a list that is kept
_ENTRIES_PER_PRODUCT = 1 << 20  # of two matrices, 4 MB
_ROUNDING = 2.0**-18  # several times that of a similarity, which depends on how many are computed at once
_NOTED_LISTS = 16  # per row; few rows probe more, and theirs are found anew


@dataclass(frozen=True)
class InvertedLists:
    """Rows grouped by their nearest centroid, and how far beyond it a row has to look.

    Attributes
    ----------
    centroids : ndarray of shape (n_lists, d), float32
        Of norm 1.
    margin : float
        A row probes each list whose centroid is at most so much less similar than its nearest one.
    probes : ndarray of shape (n, 16), int32
        The lists that each row probes, its own one first; -1 where there are no more.
    rows : ndarray of shape (n,), int64
        All rows, list after list.
    starts : ndarray of shape (n_lists + 1,), int64
        List l holds ``rows[starts[l]:starts[l + 1]]``.
    """

    centroids: NDArray[np.float32]
    margin: float
    probes: NDArray[np.int32]
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]


def build_lists(
    embeddings: NDArray[np.float32], k: int, n_lists: int, random_state: int, *, most_share: float = 1.0
) -> InvertedLists | None:
    """Group rows by spherical k-means, and measure on a sample how far they have to look.

    One margin suits rows better than one number of lists: in a dense region few lists come near the nearest one, at
    the fringe hundreds do. With it a third to a tenth of the pairs give the same recall.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised.
    k : int
        Neighbours per row, below n.
    n_lists : int
        As `choose_lists` takes it.
    random_state : int
        Seed of k-means and of the sample.
    most_share : float
        Share of all pairs from which lists are not worth building: then None is returned.
    """
    n = len(embeddings)
    queries = drawn_rows(n, n_lists, random_state)[1]
    true, _ = compare_with_all(embeddings, k, queries)
    asked, found = embeddings[queries], embeddings[true.ravel()]
    centroids, margin, share = choose_lists(n, n_lists, embeddings.__getitem__, asked, found, random_state)
    if share > most_share:
        return None
    probes = note_lists(embeddings, centroids, margin)
    own = probes[:, 0]
    return InvertedLists(centroids, margin, probes, np.argsort(own, kind="stable"), list_starts(own, len(centroids)))


def drawn_rows(n: int, n_lists: int, random_state: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that lists are made from and those that the margin is measured on, each ascending."""
    rng = np.random.default_rng(random_state)
    sample = np.sort(rng.choice(n, min(n, _TRAINING_ROWS_PER_LIST * n_lists), replace=False))
    return sample, np.sort(rng.choice(n, min(n, _CALIBRATION_QUERIES), replace=False))


def choose_lists(
    n: int,
    n_lists: int,
    read_rows: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    queries: NDArray[np.float32],
    true: NDArray[np.float32],
    random_state: int,
) -> tuple[NDArray[np.float32], float, float]:
    """Return the centroids of the lists that n rows are searched over, and what `measure_margin` says of them.

    Where rows would be compared with far more others than there are centroids, twice as many lists are tried, again and
    again while that spares at least half of the pairs. So it is where there are more regions than lists, and rows in
    those without a list of their own have to look everywhere: of five million rows of the speed benchmark 3.3 % of all
    pairs over 3,332 lists, and .16 % over twice as many.

    Parameters
    ----------
    n : int
    n_lists : int
        To begin with; fewer where some would hold too few rows.
    read_rows : callable
        From row numbers (r,), ascending, to their embeddings (r, d).
    queries, true
        As in `measure_margin`.
    random_state : int

    Returns
    -------
    centroids : ndarray of shape (n_kept, d), float32
    margin, share : float
    """
    best = None
    while True:
        sample = read_rows(drawn_rows(n, n_lists, random_state)[0])
        centroids = train_centroids(sample, n_lists, random_state)
        margin, share = measure_margin(sample, centroids, queries, true)
        if best is not None and share > best[2] / 2:
            return best
        best = centroids, margin, share
        if share * n <= _PAIRS_PER_CENTROID * n_lists or 2 * n_lists * _TRAINING_ROWS_PER_LIST > n:
            return best
        n_lists *= 2


def train_centroids(sample: NDArray[np.float32], n_lists: int, random_state: int) -> NDArray[np.float32]:
    """Return the centroids of at most `n_lists` lists, of norm 1, in the order of where their rows lie in the sample.

    Rows mostly lie near what they resemble, and then so do lists: what is answered together probes fewer of them.
    """
    centroids = spherical_kmeans(sample, n_lists, n_rounds=_TRAINING_ROUNDS, random_state=random_state)
    # A centroid of its own would seem so near to an outlier of the sample that it probed no further list.
    own = nearest_centroid(sample, centroids)
    held = np.bincount(own, minlength=n_lists)
    middle = np.bincount(own, np.arange(len(own)), n_lists) / np.maximum(held, 1)
    kept = np.flatnonzero(held >= min(_FEWEST_TRAINING_ROWS, held.max()))
    return centroids[kept[np.argsort(middle[kept], kind="stable")]]


def measure_margin(
    sample: NDArray[np.float32],
    centroids: NDArray[np.float32],
    queries: NDArray[np.float32],
    true: NDArray[np.float32],
) -> tuple[float, float]:
    """Return the margin within which queries find their true neighbours, and the share of all pairs it compares.

    Parameters
    ----------
    sample, centroids
        What the lists were made from, and what came of it.
    queries : ndarray of shape (q, d), float32
    true : ndarray of shape (q · k, d), float32
        The embeddings of their neighbours, query after query.
    """
    behind = behind_nearest(queries, centroids)
    needed = np.take_along_axis(behind, nearest_centroid(true, centroids).reshape(len(queries), -1), axis=1)
    # One query's list lies on the margin itself, and must not be within it or beyond by rounding.
    margin = float(np.quantile(needed, TARGET_RECALL, method="higher")) + _ROUNDING
    sizes = np.bincount(nearest_centroid(sample, centroids), minlength=len(centroids)) / len(sample)
    share = float(((behind <= margin) @ sizes).mean())
    logger.info("%d inverted lists; %.2f %% of all pairs are compared", len(centroids), 100 * share)
    return margin, share


def note_lists(embeddings: NDArray[np.float32], centroids: NDArray[np.float32], margin: float) -> NDArray[np.int32]:
    """Return the lists that each row probes (n, 16), as `InvertedLists` keeps them."""
    probes, lists = np.full((len(embeddings), _NOTED_LISTS), -1, np.int32), quantize(centroids)

    def note(block: slice) -> None:
        similarity = approximate_products(quantize(embeddings[block]), lists)
        _note_lists(similarity, np.float32(margin), probes[block])
        let_go(embeddings)

    by_threads(note, len(embeddings), rows_per_product(len(centroids)), multiplies=True)
    return probes


def list_starts(own: NDArray[np.int32], n_lists: int) -> NDArray[np.int64]:
    """Return where each list begins once all rows are sorted by their own list, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(np.bincount(own, minlength=n_lists))])


def rows_per_product(n_columns: int) -> int:
    """Return how many rows are multiplied with so many columns at once."""
    return max(64, _ENTRIES_PER_PRODUCT // n_columns)


def behind_nearest(embeddings: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much less similar each centroid is than the nearest one."""
    similarity = embeddings @ centroids.T
    return similarity.max(axis=1, keepdims=True) - similarity


@njit(cache=True, nogil=True)
def _note_lists(similarity, margin, probes):
    """Write down the nearest list of each row and further ones within the margin, as far as there is room."""
    for row in range(len(similarity)):
        nearest = np.argmax(similarity[row])
        probes[row, 0] = nearest
        noted, least = 1, similarity[row, nearest] - margin
        for number in range(similarity.shape[1]):
            if similarity[row, number] >= least and number != nearest and noted < probes.shape[1]:
                probes[row, noted] = number
                noted += 1
