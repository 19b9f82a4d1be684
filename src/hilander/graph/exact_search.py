"""Nearest neighbours by comparing rows with all others: matrix products in blocks that stay in cache."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.graph.nearest import insert_nearest
from hilander.graph.quantization import Quantized, quantize
from hilander.graph.threads import by_threads, number_of_threads
from hilander.paged_arrays import let_go

ROWS_PER_BLOCK = 512
CANDIDATES_PER_BLOCK = 2048  # with the rows of a block a product of 4 MB
_NOT_AMONG_THEM = -1  # the number of a row that is no candidate itself


def compare_with_all(
    embeddings: NDArray[np.float32], k: int, rows: NDArray[np.int64], *, show_progress: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k nearest others of some rows, k < n.

    faiss's flat search does the same; its own matrix product knows no AVX-512 and takes twice the time.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised; a memory map is read block by block.
    k : int
    rows : ndarray of shape (r,), int64
    show_progress : bool

    Returns
    -------
    neighbors : ndarray of shape (r, k), int64
        By decreasing similarity, among equal ones the lower first.
    similarities : ndarray of shape (r, k), float32
        Within [-1, 1].
    """
    neighbors = np.full((len(rows), k), -1, np.int64)
    similarities = np.full((len(rows), k), -np.inf, np.float32)

    def answer(block: slice) -> None:
        compare(embeddings[rows[block]], rows[block], embeddings, 0, neighbors[block], similarities[block])
        let_go(embeddings)

    by_threads(answer, len(rows), ROWS_PER_BLOCK, multiplies=True, desc="neighbors", show_progress=show_progress)
    return neighbors, np.clip(similarities, -1.0, 1.0, out=similarities)


def compare_others(
    queries: NDArray[np.float32], candidates: Quantized, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k nearest candidates of rows that are none of them, k <= n, as `compare_with_all` does.

    Parameters
    ----------
    queries : ndarray of shape (r, d), float32
        L2-normalised, as the candidates are.
    candidates : Quantized
        Of n rows.
    k : int
    """
    neighbors = np.full((len(queries), k), -1, np.int64)
    similarities = np.full((len(queries), k), -np.inf, np.float32)
    numbers = np.arange(len(candidates.rows))

    def answer(block: slice) -> None:
        asking, quantized = np.arange(block.stop - block.start), quantize(queries[block])
        own = np.full(len(asking), _NOT_AMONG_THEM)
        step = max(CANDIDATES_PER_BLOCK, ROWS_PER_BLOCK * CANDIDATES_PER_BLOCK // len(asking))
        for start in range(0, len(numbers), step):
            part = slice(start, start + step)
            of_part = candidates.part(part)
            insert_nearest(quantized, asking, of_part, numbers[part], own, neighbors[block], similarities[block])

    rows_per_block = min(ROWS_PER_BLOCK, -(-len(queries) // number_of_threads()))
    by_threads(answer, len(queries), max(rows_per_block, 1), multiplies=True)
    return neighbors, np.clip(similarities, -1.0, 1.0, out=similarities)


def compare(
    queries: NDArray[np.float32],
    rows: NDArray[np.int64],
    candidates: NDArray[np.float32],
    first: int,
    neighbors: NDArray[np.int64],
    similarities: NDArray[np.float32],
) -> None:
    """Insert into a block of rows' neighbours so far what is nearer among some candidates.

    Parameters
    ----------
    queries : ndarray of shape (r, d), float32
        Embeddings of `rows`.
    rows : ndarray of shape (r,), int64
        Their numbers.
    candidates : ndarray of shape (c, d), float32
        Embeddings of the rows from number `first` on; a memory map is read block by block.
    first : int
    neighbors, similarities : ndarray of shape (r, k), int64 and float32
        By decreasing similarity, filled up with -inf; changed in place.
    """
    asking, quantized = np.arange(len(rows)), quantize(queries)
    for start in range(0, len(candidates), CANDIDATES_PER_BLOCK):
        block = candidates[start : start + CANDIDATES_PER_BLOCK]
        numbers = np.arange(first + start, first + start + len(block))
        insert_nearest(quantized, asking, quantize(block), numbers, rows, neighbors, similarities)
