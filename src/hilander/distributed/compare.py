"""Rows compared with all others, part by part, with the bits of `hilander.graph.exact_search.compare_with_all`."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from hilander.distributed.engine import Run
from hilander.distributed.parts import Parts
from hilander.distributed.reorder import fetch
from hilander.graph.exact_search import CANDIDATES_PER_BLOCK, ROWS_PER_BLOCK, compare
from hilander.graph.threads import by_threads

_ROWS_PER_READ = 16 * CANDIDATES_PER_BLOCK  # of candidates
_ROWS_PER_GROUP = 16 * ROWS_PER_BLOCK  # of some rows, whose neighbours in all parts are merged together


def compare_all(run: Run, name: str, features: Parts, k: int, neighbors: Parts, similarities: Parts) -> None:
    """Write the k nearest others of all rows.

    Parameters
    ----------
    run : Run
    name : str
        Of the step.
    features : Parts
        (n, d) float32, L2-normalised.
    k : int
        Below n.
    neighbors, similarities : Parts
        In the parts of `features`, (n, k), int64 and float32.
    """
    run.step(name, _compare_part, [(features, k, neighbors, similarities, part) for part in range(len(features))])


def compare_some(run: Run, name: str, features: Parts, k: int, rows: NDArray[np.int64]) -> tuple[Parts, Parts]:
    """Return the k nearest others of some rows.

    Parameters
    ----------
    run : Run
    name : str
        Of the steps and of the results, which are the caller's to remove.
    features : Parts
        (n, d) float32, L2-normalised.
    k : int
        Below n.
    rows : ndarray of shape (r,), int64
        No row twice.

    Returns
    -------
    neighbors, similarities : Parts
        (r, k), int64 and float32.
    """
    queries = fetch(run, f"{name}_queries", features, rows)
    bounds = np.append(np.arange(0, len(rows), _ROWS_PER_GROUP), len(rows))
    numbers = Parts(run.store, f"{name}_rows", bounds)
    for group in range(len(numbers)):
        numbers.write(group, rows[bounds[group] : bounds[group + 1]])
    found = numbers.named(f"{name}_neighbors"), numbers.named(f"{name}_similarities")
    pieces = f"{name}_pieces_neighbors", f"{name}_pieces_similarities"
    run.step(
        f"{name}: compare",
        _compare_piece,
        [
            (features, k, numbers, queries, pieces, group, part)
            for group, part in product(range(len(numbers)), range(len(features)))
        ],
    )
    run.step(f"{name}: merge", _merge, [(k, pieces, *found, len(features), group) for group in range(len(numbers))])
    for piece in (*pieces, queries.name, numbers.name):
        run.store.remove(piece)
    return found


def whole_blocks(parts: Parts, part: int, rows_per_block: int) -> tuple[int, int]:
    """Return the first and last row of the blocks, counted from row 0, that hold any row of a part.

    Rows are multiplied in the same blocks whatever the parts are: BLAS rounds a product of few rows otherwise.
    """
    start, stop = parts.bounds[part : part + 2].tolist()
    last = -(-stop // rows_per_block) * rows_per_block
    return start // rows_per_block * rows_per_block, min(last, int(parts.bounds[-1]))


def _compare_part(features: Parts, k: int, neighbors: Parts, similarities: Parts, part: int) -> None:
    first, last = whole_blocks(features, part, ROWS_PER_BLOCK)
    found = _nearest(features, features.rows(first, last), np.arange(first, last), k, 0, int(features.bounds[-1]))
    own = slice(*(features.bounds[part : part + 2] - first))
    neighbors.write(part, found[0][own])
    similarities.write(part, np.clip(found[1][own], -1.0, 1.0))


def _compare_piece(
    features: Parts, k: int, numbers: Parts, queries: Parts, pieces: tuple[str, str], group: int, part: int
) -> None:
    """Compare some rows with the blocks of candidates that begin in a part."""
    rows = np.array(numbers.read(group))
    start, stop = numbers.bounds[group : group + 2].tolist()
    first, last = (-(-features.bounds[part : part + 2] // CANDIDATES_PER_BLOCK) * CANDIDATES_PER_BLOCK).tolist()
    last = min(last, int(features.bounds[-1]))
    neighbors, similarities = _nearest(features, queries.rows(start, stop), rows, k, first, last)
    features.store.write(f"{pieces[0]}/{group:06d}-{part:06d}", neighbors)
    features.store.write(f"{pieces[1]}/{group:06d}-{part:06d}", similarities)


def _merge(k: int, pieces: tuple[str, str], neighbors: Parts, similarities: Parts, n_pieces: int, group: int) -> None:
    store = neighbors.store
    found = [store.read(f"{name}/{group:06d}-{0:06d}") for name in pieces]
    for piece in range(1, n_pieces):
        others = [store.read(f"{name}/{group:06d}-{piece:06d}") for name in pieces]
        both = [np.concatenate(values, axis=1) for values in zip(found, others, strict=True)]
        nearest = np.argsort(-both[1], axis=1, kind="stable")[:, :k]  # among equal ones the lower first
        found = [np.take_along_axis(values, nearest, axis=1) for values in both]
    neighbors.write(group, found[0])
    similarities.write(group, np.clip(found[1], -1.0, 1.0))


def _nearest(
    features: Parts, queries: NDArray[np.float32], rows: NDArray[np.int64], k: int, first: int, last: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Neighbours of rows among the candidates from `first`, where a block begins, up to `last`."""
    neighbors = np.full((len(rows), k), -1, np.int64)
    similarities = np.full((len(rows), k), -np.inf, np.float32)
    for start in range(first, last, _ROWS_PER_READ):
        candidates = features.rows(start, min(start + _ROWS_PER_READ, last))

        def answer(block: slice, start: int = start, candidates: NDArray[np.float32] = candidates) -> None:
            compare(queries[block], rows[block], candidates, start, neighbors[block], similarities[block])

        by_threads(answer, len(rows), ROWS_PER_BLOCK, multiplies=True)
    return neighbors, similarities
