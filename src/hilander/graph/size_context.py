"""How large a cluster of two would be among the clusters of its set: what tells a part of a class from a whole one.

Where most clusters are of one size, two of that size which look alike are two classes; where sizes differ widely, they
may well be parts of one. Nothing near the two says which of these it is, only all the set's clusters together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIZE_CONTEXT = (
    "log_merged_size",  # relative to the typical size
    "share_above_merged",  # of all items, those in clusters at least as large as the two together,
    "share_above_larger",  # as the larger one,
    "share_above_smaller",  # and as the smaller one
    "spread_of_sizes",
    "tail_of_sizes",
)

_QUANTILES = (0.25, 0.5, 0.75, 0.9)


def size_context(sizes: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return `SIZE_CONTEXT` of pairs of clusters.

    Sizes are those of the clusters that items lie in: each counts as often as it has items, since a set of large
    clusters may hold many more single items than clusters. The typical size is the median of these, the spread the
    logarithm of the third quartile over the first, the tail that of the ninth decile over the median.

    Parameters
    ----------
    sizes : ndarray of shape (C,), int64
        Items of each cluster, at least 1.
    edges : ndarray of shape (m, 2), int64
        Pairs of clusters.

    Returns
    -------
    ndarray of shape (m, 6), float32

    Examples
    --------
    >>> size_context(np.array([2, 2, 4]), np.array([[0, 1]])).round(2)
    array([[0.69, 0.5 , 1.  , 1.  , 0.69, 0.69]], dtype=float32)
    """
    ascending = np.sort(sizes)
    items_up_to = np.cumsum(ascending)
    n_items = items_up_to[-1]
    ranks = (np.array(_QUANTILES) * (n_items - 1)).astype(np.int64)
    first, typical, third, ninth = ascending[np.searchsorted(items_up_to, ranks, side="right")].astype(np.float64)

    def share_above(size: NDArray[np.int64]) -> NDArray[np.float64]:
        smaller = np.searchsorted(ascending, size, side="left")
        return 1 - np.concatenate([[0], items_up_to])[smaller] / n_items

    of_ends = sizes[edges]
    merged = of_ends.sum(axis=1)
    context = np.empty((len(edges), len(SIZE_CONTEXT)), np.float32)
    context[:, 0] = np.log(merged / typical)
    for column, size in enumerate((merged, of_ends.max(axis=1), of_ends.min(axis=1)), start=1):
        context[:, column] = share_above(size)
    context[:, 4] = np.log(third / first)
    context[:, 5] = np.log(ninth / typical)
    return context
