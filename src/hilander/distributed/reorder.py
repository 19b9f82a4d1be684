"""Bring rows into another order and other parts, or fetch some of them, while no process holds them all."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hilander.distributed.engine import Run
from hilander.distributed.parts import Parts

_ROWS_PER_PART = 1 << 16  # of rows that are fetched


def reorder(run: Run, name: str, source: Parts, position: NDArray[np.int64], target: Parts) -> None:
    """Write the rows of `source` into `target`.

    Every part of `source` is first sorted by where its rows go, so that each part of `target` reads consecutive rows.

    Parameters
    ----------
    run : Run
    name : str
        Of the steps and of what lies in the store between them.
    source : Parts
        (n, ...).
    position : ndarray of shape (n,), int64
        Where each row goes, no two rows to the same place and every row of `target` from somewhere; -1 for rows that
        are left out.
    target : Parts
    """
    moves, sorted_rows, positions, ends = (
        source.named(f"{name}_{what}") for what in ("moves", "sorted", "positions", "ends")
    )
    for part, (start, stop) in enumerate(pairwise(source.bounds)):
        rows = np.flatnonzero(position[start:stop] >= 0)
        moves.write(part, np.stack([rows, position[start:stop][rows]]))
    run.step(
        f"{name}: sort",
        _sort,
        [(source, moves, sorted_rows, positions, ends, target.bounds, part) for part in range(len(source))],
    )
    run.step(
        f"{name}: join",
        _join,
        [(source, sorted_rows, positions, ends, target, part) for part in range(len(target))],
    )
    for piece in (moves, sorted_rows, positions, ends):
        run.store.remove(piece.name)


def fetch(run: Run, name: str, source: Parts, rows: NDArray[np.int64]) -> Parts:
    """Return some rows as an array of their own.

    A worker sends only the rows that are asked for, where `Parts.take` would read whole parts.

    Parameters
    ----------
    run : Run
    name : str
        Of the result, which is the caller's to remove.
    source : Parts
        (n, ...).
    rows : ndarray of shape (r,), int64
        In any order, no row twice.
    """
    target = Parts.even(run.store, name, len(rows), _ROWS_PER_PART)
    position = np.full(source.bounds[-1], -1)
    position[rows] = np.arange(len(rows))
    reorder(run, f"{name}_fetch", source, position, target)
    return target


def _sort(
    source: Parts,
    moves: Parts,
    sorted_rows: Parts,
    positions: Parts,
    ends: Parts,
    target_bounds: NDArray[np.int64],
    part: int,
) -> None:
    rows, goes_to = moves.read(part)
    order = np.argsort(goes_to)
    goes_to = goes_to[order]
    sorted_rows.write(part, source.read(part)[rows[order]])
    positions.write(part, goes_to)
    ends.write(part, np.searchsorted(goes_to, target_bounds))


def _join(source: Parts, sorted_rows: Parts, positions: Parts, ends: Parts, target: Parts, part: int) -> None:
    first, last = target.bounds[part : part + 2]
    joined = None
    for piece in range(len(source)):
        start, stop = ends.read(piece)[part : part + 2].tolist()
        if stop > start:
            rows = sorted_rows.read(piece, start, stop)
            if joined is None:
                joined = np.empty((last - first, *rows.shape[1:]), rows.dtype)
            joined[positions.read(piece, start, stop) - first] = rows
    target.write(part, source.read(0)[:0] if joined is None else joined)
