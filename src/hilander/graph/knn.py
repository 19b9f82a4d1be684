"""k nearest neighbours by cosine similarity, exact for small sets and inverted lists for large ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.graph.exact_search import compare_others, compare_with_all
from hilander.graph.inverted_lists import build_lists
from hilander.graph.list_join import join_lists
from hilander.graph.quantization import Quantized
from hilander.paged_arrays import let_go

METHODS = ("auto", "exact", "ivf")
EXACT_UP_TO = 15_000  # rows: a second or two; inverted lists are quicker from about 5,000 on, but not exact
_ROWS_PER_CHUNK = 1 << 17
WORTHWHILE_SHARE = 0.6  # of all pairs: what the lists leave out has to pay for building them


def nearest_neighbors(
    embeddings: NDArray[np.float32],
    n_neighbors: int,
    *,
    method: str = "auto",
    random_state: int = 0,
    show_progress: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return every row's nearest other rows.

    A row is never its own neighbour, also where other rows equal it. The number of neighbours is the same
    for every row: ``k = min(n_neighbors, n - 1)``.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised rows, as `hilander.embeddings.check_embeddings` returns them; a memory map is read block by block.
    n_neighbors : int
        Neighbours per row (k), at least 1.
    method : {"auto", "exact", "ivf"}
        ``exact`` compares all pairs. ``ivf`` compares rows within the nearest of many inverted lists, as many of them
        as give a recall of .9975 on a sample. ``auto`` is exact up to 15,000 rows, and beyond where the sample shows
        that most pairs would have to be compared anyway.
    random_state : int
        Seed of the inverted lists' k-means and of the calibration sample.
    show_progress : bool

    Returns
    -------
    neighbors : ndarray of shape (n, k), int64
        By decreasing similarity.
    similarities : ndarray of shape (n, k), float32
        Cosine similarities, within [-1, 1].

    Raises
    ------
    ValueError
        `n_neighbors` below 1 or an unknown `method`.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    >>> nearest_neighbors(points, 1)[0]
    array([[1],
           [0],
           [1]])
    """
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, got {n_neighbors}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    n = len(embeddings)
    k = min(n_neighbors, n - 1)
    if k < 1:
        return np.empty((n, 0), np.int64), np.empty((n, 0), np.float32)
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)  # a memory map stays one
    found = None
    if method == "ivf" or (method == "auto" and n > EXACT_UP_TO):
        most_share = WORTHWHILE_SHARE if method == "auto" else 1.0
        found = _join(embeddings, k, random_state, most_share, show_progress)
    return found or compare_with_all(embeddings, k, np.arange(n), show_progress=show_progress)


def search_neighbors(
    queries: NDArray[np.float32], fitted: Quantized, n_neighbors: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows nearest to each query, by exact search; each query gets the same, whatever is asked beside it.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, d), float32
        L2-normalised; not among the rows, or their own row is found first.
    fitted : Quantized
        Of n L2-normalised rows, by `hilander.graph.quantization.quantize`.
    n_neighbors : int
        k; clipped to n.

    Returns
    -------
    neighbors : ndarray of shape (n_queries, k), int64
        By decreasing similarity, among equal ones the lower first.
    similarities : ndarray of shape (n_queries, k), float32
        Within [-1, 1].
    """
    queries = np.ascontiguousarray(queries, np.float32)
    return compare_others(queries, fitted, min(n_neighbors, len(fitted.rows)))


def number_of_lists(n: int) -> int:
    """Return how many inverted lists n rows are searched over."""
    return int(np.clip(1.5 * np.sqrt(n), 1, n))


def _join(
    embeddings: NDArray[np.float32], k: int, random_state: int, most_share: float, show_progress: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
    """Search over inverted lists; None where more than `most_share` of all pairs would have to be compared."""
    lists = build_lists(embeddings, k, number_of_lists(len(embeddings)), random_state, most_share=most_share)
    if lists is None:
        return None
    neighbors, similarities = join_lists(embeddings, k, lists, show_progress=show_progress)
    for start in range(0, len(neighbors), _ROWS_PER_CHUNK):
        of_rows, chunk = neighbors[start : start + _ROWS_PER_CHUNK], similarities[start : start + _ROWS_PER_CHUNK]
        short = np.flatnonzero(of_rows[:, -1] < 0)  # the lists that they probe hold fewer than k others
        if len(short):
            of_rows[short], chunk[short] = compare_with_all(embeddings, k, start + short)
        np.clip(chunk, -1.0, 1.0, out=chunk)
        let_go(neighbors)
        let_go(similarities)
    return neighbors, similarities
