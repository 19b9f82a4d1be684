"""The order of rows by their bytes, of which a few numbers at a time are looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.distributed.parts import Parts

_COLUMNS_AT_ONCE = 16


def rank_by_bytes(rows: Parts, distinct: NDArray[np.int64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the place of each of some rows in their order by bytes, where −0 counts as 0.

    Parameters
    ----------
    rows : Parts
        (n, d) float32.
    distinct : ndarray of shape (m,), int64
        Rows of which no two are equal.
    keys : ndarray of shape (m,), uint64
        Their first two numbers, see `hilander.graph.distinct_rows.first_numbers`.

    Returns
    -------
    ndarray of shape (m,), int64
        0..m-1.
    """
    rank = np.searchsorted(np.sort(keys), keys)  # how many come before for sure
    start = 2
    while len(tied := np.flatnonzero(np.bincount(rank, minlength=len(rank))[rank] > 1)):
        numbers = _take_columns(rows, distinct[tied], slice(start, start + _COLUMNS_AT_ONCE))
        as_bytes = numbers.view(np.dtype((np.void, numbers.shape[1] * numbers.itemsize))).ravel()
        place = np.unique(as_bytes, return_inverse=True)[1]
        before = rank[tied]
        order = np.lexsort((place, before))
        rank[tied[order]] = before[order] + _runs(before[order], place[order]) - _runs(before[order])
        start += _COLUMNS_AT_ONCE
    return rank


def _take_columns(rows: Parts, taken: NDArray[np.int64], columns: slice) -> NDArray[np.float32]:
    """Some numbers of rows; no more than one part is held."""
    order = np.argsort(taken)
    ends = np.searchsorted(taken[order], rows.bounds)
    found = [
        rows.read(part)[taken[order[ends[part] : ends[part + 1]]] - rows.bounds[part], columns]
        for part in np.flatnonzero(np.diff(ends)).tolist()
    ]
    in_order = np.concatenate(found) + np.float32(0)
    numbers = np.empty_like(in_order)
    numbers[order] = in_order
    return numbers


def _runs(*sorted_by: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the run of equal values begins that each place lies in."""
    begins = np.ones(len(sorted_by[0]), np.bool_)
    begins[1:] = np.logical_or.reduce([values[1:] != values[:-1] for values in sorted_by])
    return np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))
