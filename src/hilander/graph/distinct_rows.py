"""Rows as a set: each once, in an order that does not depend on how they came."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hilander.graph.knn import EXACT_UP_TO
from hilander.graph.spatial_order import spatial_order
from hilander.paged_arrays import let_go

SortTied = Callable[[NDArray[np.int64], NDArray[np.uint64]], tuple[NDArray[np.int64], NDArray[np.bool_]]]


def distinct_rows(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first position of each distinct row, in the rows' own order, and each row's distinct one.

    Returns
    -------
    first : ndarray of shape (n_distinct,), int64
        ``embeddings[first]`` is the same array for any order of the same rows.
    inverse : ndarray of shape (n,), int64
        ``embeddings[first][inverse]`` equals `embeddings`.
    """

    def sort_tied(rows: NDArray[np.int64], keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        tied = np.ascontiguousarray(embeddings[rows]) + np.float32(0)
        order = np.argsort(tied.view(np.dtype((np.void, tied.shape[1] * tied.itemsize))).ravel(), kind="stable")
        return order, (tied[order[1:]] != tied[order[:-1]]).any(axis=1)

    keys = first_numbers(embeddings)
    let_go(embeddings)
    return distinct_by_key(keys, sort_tied)


def first_numbers(embeddings: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return the first two numbers of each row (n,) as the key that `distinct_by_key` sorts by."""
    head = np.zeros((len(embeddings), 2), np.float32)
    head[:, : min(embeddings.shape[1], 2)] = embeddings[:, :2] + np.float32(0)  # −0 equals 0 but has other bytes
    return head.view(">u8")[:, 0].astype(np.uint64)


def distinct_by_key(keys: NDArray[np.uint64], sort_tied: SortTied) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Do what `distinct_rows` does, where few rows share their key and only these are compared in full.

    Parameters
    ----------
    keys : ndarray of shape (n,), uint64
        From `first_numbers`.
    sort_tied : callable
        Gets rows that share their key with others, sorted by it, and their keys (m,); returns the order (m,) of these
        rows by their bytes, equal ones as before, and whether each but the first then differs from the one before.
    """
    order = np.argsort(keys, kind="stable")
    differs = np.diff(keys[order], prepend=0) > 0
    differs[:1] = True
    shared = np.flatnonzero(~(differs & np.append(differs[1:], True)))
    if len(shared):
        tied = order[shared]
        by_bytes, differs[shared[1:]] = sort_tied(tied, keys[tied])
        order[shared] = tied[by_bytes]
    inverse = np.empty(len(keys), np.int64)
    inverse[order] = np.cumsum(differs) - 1
    return order[differs], inverse


def ordered_rows(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what `distinct_rows` does, many rows in the order of their place in space."""
    first, inverse = distinct_rows(embeddings)
    if len(first) <= EXACT_UP_TO:  # they fit the cache in any order
        return first, inverse
    order = spatial_order(embeddings, first)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    return first[order], position[inverse]
