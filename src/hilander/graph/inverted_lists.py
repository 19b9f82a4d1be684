"""Nearest neighbours within a set over inverted lists: each list is one matrix product with the rows that probe it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.exact_search import compare_with_all
from hilander.graph.kmeans import nearest_centroid, spherical_kmeans
from hilander.graph.nearest import insert_nearest
from hilander.graph.quantization import approximate_products, quantize
from hilander.graph.threads import by_threads
from hilander.paged_arrays import empty_array, let_go

logger = logging.getLogger(__name__)

TARGET_RECALL = 0.9975  # on the sample; a true one of .98 already changes labels
_CALIBRATION_QUERIES = 768
_TRAINING_ROWS_PER_LIST = 40  # with half as many, lists fit the rows they were made from better than others
_TRAINING_ROUNDS = 5
_FEWEST_TRAINING_ROWS = 10  # of a list that is kept
ROWS_PER_BLOCK = 16_384  # rows that are answered together; bounds what is held beside the result
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
    random_state : int
        Seed of k-means and of the sample.
    most_share : float
        Share of all pairs from which lists are not worth building: then None is returned.
    """
    n = len(embeddings)
    sample_rows, queries = drawn_rows(n, n_lists, random_state)
    sample = embeddings[sample_rows]
    centroids = train_centroids(sample, n_lists, random_state)
    true, _ = compare_with_all(embeddings, k, queries)
    margin, share = measure_margin(sample, centroids, embeddings[queries], embeddings[true.ravel()])
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
    behind = _behind_nearest(queries, centroids)
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


def asking_order(last_noted: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the order (n,) in which rows that stand list after list are answered, from the last list noted for each.

    Those that probe most lists, the one in a hundred at the fringe, come first and so together: among the others they
    would make every block of rows read nearly all lists.
    """
    return np.argsort(last_noted < 0, kind="stable")


def join_lists(
    embeddings: NDArray[np.float32], k: int, lists: InvertedLists, *, show_progress: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return every row's k nearest other rows among the lists that it probes.

    Rows are answered in blocks of neighbouring lists, see `asking_order`, several at once; beside the result only what
    these blocks need is held, so the embeddings may be a memory map.

    Returns
    -------
    neighbors : ndarray of shape (n, k), int64
        By decreasing similarity; -1 where the probed lists held too few rows.
    similarities : ndarray of shape (n, k), float32
    """
    n = len(embeddings)
    neighbors, similarities = empty_array((n, k), np.int64), empty_array((n, k))
    asking = lists.rows[asking_order(lists.probes[lists.rows, -1])]

    def answer(block: slice) -> None:
        rows = asking[block]
        neighbors[rows], similarities[rows] = _answer(embeddings, k, lists, rows)
        for array in (embeddings, neighbors, similarities):
            let_go(array)

    by_threads(answer, n, ROWS_PER_BLOCK, multiplies=True, desc="neighbors", show_progress=show_progress)
    return neighbors, similarities


def _answer(
    embeddings: NDArray[np.float32], k: int, lists: InvertedLists, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Neighbours and similarities of some rows."""

    def read_list(number: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        candidates = lists.rows[lists.starts[number] : lists.starts[number + 1]]
        return candidates, embeddings[candidates]

    return answer_rows(rows, embeddings[rows], lists.probes[rows], k, lists.centroids, lists.margin, read_list)


def answer_rows(
    rows: NDArray[np.int64],
    queries: NDArray[np.float32],
    noted: NDArray[np.int32],
    k: int,
    centroids: NDArray[np.float32],
    margin: float,
    read_list: Callable[[int], tuple[NDArray[np.int64], NDArray[np.float32]]],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k nearest other rows of a block among the lists that it probes, as `join_lists` does.

    Parameters
    ----------
    rows : ndarray of shape (r,), int64
        Their numbers.
    queries : ndarray of shape (r, d), float32
        Their embeddings.
    noted : ndarray of shape (r, 16), int32
        The lists that each probes, as `InvertedLists` keeps them.
    k : int
    centroids, margin
        As in `InvertedLists`.
    read_list : callable
        Gets the number of a list; returns its rows (c,) and their embeddings (c, d).
    """
    neighbors = np.full((len(rows), k), -1, np.int64)
    similarities = np.full((len(rows), k), -np.inf, np.float32)
    query, probed = _probes(queries, centroids, margin, noted)
    # Each row's own list comes first: it holds most of what is near, so that little is inserted from those after it.
    turn = probed + len(centroids) * (probed != noted[query, 0])
    order = np.argsort(turn, kind="stable")
    query, probed = query[order], probed[order]
    starts = np.flatnonzero(np.diff(turn[order], prepend=-1))
    quantized = quantize(queries)
    for start, end in zip(starts, [*starts[1:], len(probed)], strict=True):
        candidates, vectors = read_list(int(probed[start]))
        if not len(candidates):  # of lists around equal rows, where rounding decides which one holds them
            continue
        of_list, step = quantize(vectors), rows_per_product(len(candidates))
        for first in range(start, end, step):
            asking = query[first : min(first + step, end)]
            insert_nearest(quantized, asking, of_list, candidates, rows, neighbors, similarities)
    return neighbors, similarities


def _probes(
    queries: NDArray[np.float32], centroids: NDArray[np.float32], margin: float, noted: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of a query and a list that it probes."""
    full = noted[:, -1] >= 0
    query, place = np.nonzero((noted >= 0) & ~full[:, None])
    pairs = [(query, noted[query, place].astype(np.int64))]
    more = np.flatnonzero(full)
    step = rows_per_product(len(centroids))
    for start in range(0, len(more), step):
        asking = more[start : start + step]
        query, number = np.nonzero(_behind_nearest(queries[asking], centroids) <= margin)
        pairs.append((asking[query], number))
    asked, numbers = zip(*pairs, strict=True)
    return np.concatenate(asked), np.concatenate(numbers)


def rows_per_product(n_columns: int) -> int:
    """Return how many rows are multiplied with so many columns at once."""
    return max(64, _ENTRIES_PER_PRODUCT // n_columns)


def _behind_nearest(embeddings: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.float32]:
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
