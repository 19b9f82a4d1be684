"""k nearest neighbours by cosine similarity, exact for small sets and inverted lists for large ones."""

from __future__ import annotations

import contextlib
import io
import logging

import faiss
import numpy as np
from faiss.contrib.big_batch_search import big_batch_search
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

METHODS = ("auto", "exact", "ivf")
EXACT_UP_TO = 20_000  # rows; above it inverted lists are the quicker way on two cores
TARGET_RECALL = 0.997  # a recall of .98 already changes labels
_CALIBRATION_QUERIES = 512
_WORTHWHILE_SHARE = 0.15  # of the lists; measured: probing two thirds of them takes three times the exact search


def nearest_neighbors(
    embeddings: NDArray[np.float32], n_neighbors: int, *, method: str = "auto", random_state: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return every row's nearest other rows.

    A row is never its own neighbour, also where other rows equal it. The number of neighbours is the same
    for every row: ``k = min(n_neighbors, n - 1)``.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised rows, as `hilander.embeddings.check_embeddings` returns them.
    n_neighbors : int
        Neighbours per row (k), at least 1.
    method : {"auto", "exact", "ivf"}
        ``exact`` compares all pairs. ``ivf`` compares rows within the nearest of many inverted lists, as many
        of them as give a recall of .997 on a sample. ``auto`` is exact up to 20,000 rows, and beyond where so
        many lists would have to be probed that comparing all pairs is quicker.
    random_state : int
        Seed of the inverted lists' k-means and of the calibration sample.

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
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
    found = None
    if method == "ivf" or (method == "auto" and n > EXACT_UP_TO):
        found = _search_inverted_lists(embeddings, k + 1, random_state, _WORTHWHILE_SHARE if method == "auto" else 1.0)
    if found is None:
        found = faiss.knn(embeddings, embeddings, k + 1, metric=faiss.METRIC_INNER_PRODUCT)
    similarities, neighbors = found
    return _without_self(neighbors, similarities)


def search_neighbors(
    queries: NDArray[np.float32], embeddings: NDArray[np.float32], n_neighbors: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of `embeddings` nearest to each query, by exact search.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, d), float32
        L2-normalised; not rows of `embeddings`, or their own row is found first.
    embeddings : ndarray of shape (n, d), float32
        L2-normalised.
    n_neighbors : int
        k; clipped to n.

    Returns
    -------
    neighbors : ndarray of shape (n_queries, k), int64
    similarities : ndarray of shape (n_queries, k), float32
    """
    similarities, neighbors = faiss.knn(
        np.ascontiguousarray(queries, np.float32),
        np.ascontiguousarray(embeddings, np.float32),
        min(n_neighbors, len(embeddings)),
        metric=faiss.METRIC_INNER_PRODUCT,
    )
    return neighbors, np.clip(similarities, -1.0, 1.0)


def _search_inverted_lists(
    embeddings: NDArray[np.float32], k: int, random_state: int, most_share: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
    """A self-join over inverted lists: each list is one matrix product with all rows that probe it.

    None where more than `most_share` of the lists would have to be probed.
    """
    n, d = embeddings.shape
    n_lists = int(np.clip(2 * np.sqrt(n), 1, max(1, n // 39)))  # faiss asks for 39 training rows per list
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, n_lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = random_state
    index.cp.spherical = True
    rng = np.random.default_rng(random_state)
    index.train(embeddings[np.sort(rng.choice(n, min(n, 64 * n_lists), replace=False))])
    index.add(embeddings)
    index.nprobe = _calibrate_probes(index, embeddings, k, rng)
    if index.nprobe > most_share * n_lists:
        logger.info("%d of %d inverted lists would be probed: comparing all pairs instead", index.nprobe, n_lists)
        return None
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a line for every list, whatever its verbosity
        similarities, neighbors = big_batch_search(index, embeddings, k)
    return similarities, _fill_missing(neighbors, similarities)


def _calibrate_probes(
    index: faiss.IndexIVFFlat, embeddings: NDArray[np.float32], k: int, rng: np.random.Generator
) -> int:
    """Fewest lists to probe that reach the target recall on a sample of rows."""
    n = len(embeddings)
    queries = embeddings[np.sort(rng.choice(n, min(n, _CALIBRATION_QUERIES), replace=False))]
    # Similarities rather than ids are compared, so that ties between duplicates do not count as misses.
    kth_similarity = faiss.knn(queries, embeddings, k, metric=faiss.METRIC_INNER_PRODUCT)[0][:, -1:] - 1e-6
    probes = 4
    while probes < index.nlist:
        index.nprobe = probes
        found = index.search(queries, k)[0] >= kth_similarity
        recall = float(found.mean())
        if recall >= TARGET_RECALL:
            logger.info("inverted lists: %d, probed: %d, sampled recall@%d: %.4f", index.nlist, probes, k, recall)
            return probes
        probes = max(probes + 1, int(probes * 1.5))
    return int(index.nlist)


def _fill_missing(neighbors: NDArray[np.int64], similarities: NDArray[np.float32]) -> NDArray[np.int64]:
    """Where the probed lists held too few rows, name the next row with similarity 0: an edge that carries nothing."""
    missing = neighbors < 0
    if missing.any():
        rows = np.nonzero(missing)[0]
        others = (rows + 1) % len(neighbors)
        neighbors[missing] = others
        similarities[missing] = 0.0
    return neighbors


def _without_self(
    neighbors: NDArray[np.int64], similarities: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Drop each row's own entry, or its last one where duplicates pushed its own out of the list."""
    n, k_plus_one = neighbors.shape
    own = neighbors == np.arange(n)[:, None]
    own[:, -1] |= ~own.any(axis=1)
    keep = ~own
    shape = (n, k_plus_one - 1)
    return (
        neighbors[keep].reshape(shape).astype(np.int64, copy=False),
        np.clip(similarities[keep].reshape(shape), -1.0, 1.0).astype(np.float32, copy=False),
    )
