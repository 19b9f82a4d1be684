"""Nearest neighbours within a set over inverted lists: each list is one matrix product with the rows that probe it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hilander.graph.inverted_lists import InvertedLists, behind_nearest, rows_per_product
from hilander.graph.nearest import insert_nearest
from hilander.graph.quantization import quantize
from hilander.graph.threads import by_threads
from hilander.paged_arrays import empty_array, let_go

ROWS_PER_BLOCK = 16_384  # rows that are answered together; bounds what is held beside the result


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
        query, number = np.nonzero(behind_nearest(queries[asking], centroids) <= margin)
        pairs.append((asking[query], number))
    asked, numbers = zip(*pairs, strict=True)
    return np.concatenate(asked), np.concatenate(numbers)
