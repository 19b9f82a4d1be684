"""An order in which rows that are near each other in space lie near each other in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage

from hilander.graph.kmeans import spherical_kmeans
from hilander.graph.nearest import nearest_of_few
from hilander.graph.quantization import quantize
from hilander.graph.threads import by_threads
from hilander.paged_arrays import let_go

_CELLS = 1024  # of up to a million rows
_MOST_CELLS = 8192  # whose tour takes half a gigabyte
_MOST_ROWS_PER_CELL = 1000  # on average, up to eight million rows
_MOST_PIVOTS = 256  # of a cell that is divided
_ROWS_PER_CELL = 256  # of 256 numbers: all rows of a cell fit the second-level cache
_MOST_UNDIVIDED = 4 * _ROWS_PER_CELL  # rows of a cell
_SAMPLED_PER_CELL = 40
_TRAINING_ROUNDS = 3
_ROWS_PER_CHUNK = 1 << 14
_PAIRS_PER_CHUNK = 1 << 24

Take = Callable[[NDArray[np.int64]], NDArray[np.float32]]
Nearest = Callable[[NDArray[np.int16], Sequence[NDArray[np.float32]]], NDArray[np.int16]]


def spatial_order(embeddings: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group rows by the most similar of 1,024 centroids or more, near ones side by side, and large groups once more.

    Whatever reads the embeddings, features or edges of a node's neighbours then mostly finds them in the processor's
    cache: everything on the neighbour graph of 100,000 rows gets two to three times as fast, on that of 300,000 again
    by half compared with groups around single rows, into which classes fall apart. Five million rows in 3,300
    regions have 5,000 centroids: by 1,024 a quarter of a class would lie more than 16,384 rows from the rest.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised.
    rows : ndarray of shape (r,), int64
        Which of them, distinct.

    Returns
    -------
    ndarray of shape (r,), int64
        ``rows[order]`` is ordered; within a cell as before.

    Examples
    --------
    >>> embeddings = np.eye(2, dtype=np.float32)[np.arange(600) % 2]
    >>> spatial_order(embeddings, np.arange(600))[[0, 1, 299, 300, 301]] % 2
    array([0, 0, 0, 1, 1])
    """

    def nearest(cell: NDArray[np.int16], pivots: Sequence[NDArray[np.float32]]) -> NDArray[np.int16]:
        found = np.zeros(len(rows), np.int16)
        for inside, of_cell in zip(rows_of_cells(cell, len(pivots)), pivots, strict=True):
            if len(of_cell):
                found[inside] = nearest_pivot(embeddings, rows[inside], of_cell)
        return found

    return order_by_pivots(len(rows), lambda some: embeddings[rows[some]], nearest)


def order_by_pivots(n: int, take: Take, nearest: Nearest) -> NDArray[np.int64]:
    """Do what `spatial_order` does, for rows that are known to `take` and `nearest` alone.

    Parameters
    ----------
    n : int
        Number of rows.
    take : callable
        Gets the numbers of a few rows; returns their embeddings.
    nearest : callable
        Gets the cell of each row (n,) and for each cell its pivots (p, d), none where it is not divided; returns the
        number (n,) of each row's most similar pivot within its cell, 0 in cells without.
    """
    n_cells = min(n // _ROWS_PER_CELL + 1, max(_CELLS, min(n // _MOST_ROWS_PER_CELL, _MOST_CELLS)))
    sample = take(_evenly(np.arange(n), min(n, _SAMPLED_PER_CELL * n_cells)))
    centroids = spherical_kmeans(sample, n_cells, n_rounds=_TRAINING_ROUNDS, random_state=0)
    cell = nearest(np.zeros(n, np.int16), [_tour(centroids)])
    inside = rows_of_cells(cell, n_cells)
    n_pivots = [min(len(rows) // _ROWS_PER_CELL + 1, _MOST_PIVOTS) * (len(rows) > _MOST_UNDIVIDED) for rows in inside]
    if not any(n_pivots):
        return np.argsort(cell, kind="stable")
    pivots = take(np.concatenate([_evenly(rows, count) for rows, count in zip(inside, n_pivots, strict=True)]))
    return np.lexsort((nearest(cell, np.split(pivots, np.cumsum(n_pivots)[:-1])), cell))


def _tour(centroids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centroids in an order in which near ones follow each other."""
    return centroids[leaves_list(linkage(centroids, "average"))] if len(centroids) > 1 else centroids


def rows_of_cells(cell: NDArray[np.int16], n_cells: int) -> list[NDArray[np.int64]]:
    """Return the rows of each cell, ascending."""
    return np.split(np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell, minlength=n_cells))[:-1])


def nearest_pivot(
    embeddings: NDArray[np.float32], rows: NDArray[np.int64], pivots: NDArray[np.float32]
) -> NDArray[np.int16]:
    """Return the number of the most similar pivot for each of some rows, whichever rows are asked for beside it."""
    nearest, quantized = np.empty(len(rows), np.int16), quantize(pivots)

    def find(block: slice) -> None:
        nearest[block] = nearest_of_few(quantize(embeddings[rows[block]]), quantized)
        let_go(embeddings)

    by_threads(find, len(rows), min(_ROWS_PER_CHUNK, _PAIRS_PER_CHUNK // len(pivots)), multiplies=True)
    return nearest


def _evenly(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return rows[np.linspace(0, len(rows) - 1, n).astype(np.int64)]
