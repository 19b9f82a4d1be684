"""How many mates two linked items seem to have, beside what is usual in their set: what their linkage is worth there.

Where nearly all items seem to have twenty mates, two that seem to have fifty lie among classes that look alike, and are
linked less surely than they seem. Where numbers of mates differ widely, or lists of neighbours are too short to hold a
class, the same numbers say little, and where the whole set is hardly longer than such a list, they mean something else.
Nothing near the two tells which of these it is, only all the set's items together.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.triangles import sum_over_triangles
from hilander.paged_arrays import let_go

LINKAGE_CONTEXT = (
    "logit",  # of the linkage
    "log_mates_min",  # of either end, relative to the typical number
    "log_mates_max",
    "log_common_to_mates_min",  # mates that both have, relative to those of the end with fewer
    "log_common_to_mates_max",
    "log_common_mates",  # relative to the typical number of mates
    "closure_min",  # relative to the typical one
    "closure_max",
    "reach_min",  # relative to the typical one
    "reach_max",
    "tail_of_mates",  # logarithm of the ninth decile over the median
    "head_of_mates",  # and of the median over the first decile
    "typical_closure",
    "tail_of_reach",
    "log_items",  # of the set, though no more than a thousand
)
N_OF_PAIRS = LINKAGE_CONTEXT.index("tail_of_mates")  # those that follow are the same for all pairs of a set

_EDGES_PER_CHUNK = 1 << 16
_LARGEST_LOGIT = 9.0
_LITTLE = 0.1  # common mates
_MANY = 1000  # items: from there on lists of neighbours are short beside the set, and more of them make no difference


class LinkageContext:
    """Describes pairs of items by their linkage and by that of all others, see `LINKAGE_CONTEXT`.

    With p the linkage, 1 of an item with itself and 0 of pairs that are no edges::

        mates     m_i  = Σ_j p_ij
        common    o_ij = Σ_k p_ik p_kj,  o_ii = m_i
        closure   c_i  = log (Σ_j p_ij o_ij / Σ_j p_ij m_j)
        reach     r_i  = log m_i − c_i

    The closure is 0 where an item's mates have no other mates than it has itself, as in a class that the lists of
    neighbours hold as a whole, and low where each list holds another part of a large class: whose size the reach tells
    better than the number of mates. What is typical is the median over all items.

    Parameters
    ----------
    linkage : ndarray of shape (m,), float32
    edges : ndarray of shape (m, 2), int64
        Each pair once, ``edges[:, 0] < edges[:, 1]``, sorted.
    n_nodes : int
        At least 1.
    """

    def __init__(self, linkage: NDArray[np.float32], edges: NDArray[np.int64], n_nodes: int) -> None:
        self._linkage, self._edges = linkage, edges
        self._common = sum_over_triangles(linkage[:, None], edges, n_nodes)[:, 0]
        self._common += 2 * linkage  # with k = i and k = j
        mates = np.ones(n_nodes)
        _add_mates(linkage, edges, mates)
        closed, of_mates = mates.copy(), mates.copy()
        _add_mates_of_mates(linkage, self._common, edges, mates, closed, of_mates)
        let_go(edges)
        self._log_mates, self._closure = np.log(mates), np.log(closed / of_mates)
        self._reach = self._log_mates - self._closure
        first, self._typical_mates, ninth = np.quantile(self._log_mates, (0.1, 0.5, 0.9))
        self._typical_closure = np.median(self._closure)
        self._typical_reach, ninth_reach = np.quantile(self._reach, (0.5, 0.9))
        self._of_set = (
            ninth - self._typical_mates,
            self._typical_mates - first,
            self._typical_closure,
            ninth_reach - self._typical_reach,
            np.log(min(n_nodes, _MANY)),
        )

    def __len__(self) -> int:
        return len(self._edges)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Return `LINKAGE_CONTEXT` of some edges, (chunk, 15)."""
        edges, p = self._edges[rows], self._linkage[rows].astype(np.float64)
        log_common = np.log(self._common[rows] + _LITTLE)
        context = np.empty((len(edges), len(LINKAGE_CONTEXT)), np.float32)
        with np.errstate(divide="ignore"):  # a linkage of 0 or 1
            context[:, 0] = np.clip(np.log(p) - np.log1p(-p), -_LARGEST_LOGIT, _LARGEST_LOGIT)
        fewer, more = _extremes(self._log_mates, edges)
        context[:, 1], context[:, 2] = fewer - self._typical_mates, more - self._typical_mates
        context[:, 3], context[:, 4] = log_common - fewer, log_common - more
        context[:, 5] = log_common - self._typical_mates
        for column, values, typical in (
            (6, self._closure, self._typical_closure),
            (8, self._reach, self._typical_reach),
        ):
            low, high = _extremes(values, edges)
            context[:, column], context[:, column + 1] = low - typical, high - typical
        context[:, N_OF_PAIRS:] = self._of_set
        return context

    def chunks(self) -> Iterator[slice]:
        """Yield slices that together hold all edges, in their order."""
        for start in range(0, len(self), _EDGES_PER_CHUNK):
            yield slice(start, min(start + _EDGES_PER_CHUNK, len(self)))


def _extremes(values: NDArray[np.float64], edges: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = values[edges[:, 0]], values[edges[:, 1]]
    return np.minimum(first, second), np.maximum(first, second)


@njit(cache=True, nogil=True)
def _add_mates(linkage, edges, mates):
    for e in range(len(edges)):
        mates[edges[e, 0]] += linkage[e]
        mates[edges[e, 1]] += linkage[e]


@njit(cache=True, nogil=True)
def _add_mates_of_mates(linkage, common, edges, mates, closed, of_mates):
    for e in range(len(edges)):
        i, j, p = edges[e, 0], edges[e, 1], np.float64(linkage[e])
        closed[i] += p * common[e]
        closed[j] += p * common[e]
        of_mates[i] += p * mates[j]
        of_mates[j] += p * mates[i]
