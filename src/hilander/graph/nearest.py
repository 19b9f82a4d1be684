"""The nearest of some candidates, inserted into rows' sorted lists of neighbours."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.graph.quantization import Quantized, approximate_products, multiply_codes

_ROUNDING = 2.0**-14, 2.0**-22  # and per column: several times what single precision may add to a similarity
_NEAREST = np.float32(0.9995)  # similarity at which a tangent line is taken
_MOST_SORTED = 512  # candidates of a row, all in the processor's registers: more take it several times as long each
_LEAST, _DONE = np.float32(-8), np.float32(-9)  # below every similarity of rows of norm 1

_Bounds = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], np.float32]


def insert_nearest(
    queries: Quantized,
    asking: NDArray[np.int64],
    candidates: Quantized,
    numbers: NDArray[np.int64],
    rows: NDArray[np.int64],
    neighbors: NDArray[np.int64],
    similarities: NDArray[np.float32],
) -> None:
    """Insert what is nearer than the last of each row's sorted neighbours so far, but never the row itself.

    Where the rows have codes, a pair is compared in single precision only if it could be near enough. With x = x̂ + r,
    where x̂ stands for the code and r is orthogonal to it, ``x · y = x̂ · ŷ + r_x · ŷ + x̂ · r_y + r_x · r_y``, and by the
    Cauchy–Schwarz inequality the rest is at most ``(t_x + t_y) √(1 − (x̂ · ŷ)²) + t_x t_y``, with the tangents t of
    `Quantized`. For the root stands its tangent line where the last neighbour is, which lies nowhere below it.

    Where they have none, BLAS's products say which pairs could be: these are rounded by how many rows are multiplied at
    once, on some processors. Each similarity is then summed up in the same order wherever its pair stands, and among
    equal ones the lower number comes first; so the result does not depend on what is compared at once.

    Parameters
    ----------
    queries : Quantized
        Of `rows`, of norm 1 at most.
    asking : ndarray of shape (a,), int64
        Which of the r rows ask, each once.
    candidates : Quantized
        Of c rows, of norm 1 at most.
    numbers : ndarray of shape (c,), int64
        Their numbers.
    rows : ndarray of shape (r,), int64
        The numbers of the rows that have neighbours.
    neighbors, similarities : ndarray of shape (r, k), int64 and float32
        By decreasing similarity, filled up with -1 and -inf; changed in place.
    """
    of_pairs = queries.rows, candidates.rows, numbers, rows
    if not candidates.codes.size:
        similar = queries.rows[asking] @ candidates.rows.T
        _insert_products(similar, asking, _rounding(queries), *of_pairs, neighbors, similarities)
        return
    products = multiply_codes(queries.codes[asking], candidates.codes)
    bounds = queries.scale, queries.error, candidates.scale, candidates.error, _rounding(queries)
    enough = _enough(products, asking, bounds, neighbors)
    _insert_screened(products, asking, bounds, enough, *of_pairs, neighbors, similarities)


def nearest_of_few(queries: Quantized, candidates: Quantized) -> NDArray[np.int64]:
    """Return the number (q,) of each query's nearest candidate, whichever queries are asked for beside it.

    By codes, where the rows have some, to about a thousandth of similarity.
    """
    products = approximate_products(queries, candidates)
    if candidates.codes.size:
        return products.argmax(axis=1)
    found = np.empty(len(products), np.int64)
    _find_nearest(products, 2 * _rounding(queries), queries.rows, candidates.rows, found)
    return found


def _rounding(rows: Quantized) -> np.float32:
    return np.float32(_ROUNDING[0] + _ROUNDING[1] * rows.rows.shape[1])


@njit(cache=True, nogil=True)
def _find_nearest(products, rounding, queries, candidates, found):
    """Fill in the nearest candidate of each query, of equal ones the first, from products (q, c) rounded somehow."""
    for q in range(len(products)):
        nearest, highest = int(np.argmax(products[q])), np.float32(-np.inf)
        least = products[q, nearest] - rounding
        for c in range(products.shape[1]):
            if products[q, c] >= least:
                similarity = _product(queries, q, candidates, c)
                if similarity > highest:
                    nearest, highest = c, similarity
        found[q] = nearest


def _enough(
    products: NDArray[np.int32], asking: NDArray[np.int64], bounds: _Bounds, neighbors: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return a bound (a,) that k + 1 candidates of each row reach, or some more; inf for rows whose list is full.

    A list that is not full takes whatever comes. When those that seem nearest come first, of which one may be the row
    itself, few others are near enough.
    """
    (n_asking, n), k = products.shape, neighbors.shape[1]
    enough = np.full(n_asking, np.inf, np.float32)
    not_full = np.flatnonzero(neighbors[asking, -1] < 0)
    if len(not_full) and n > k + 1:
        most = np.empty((len(not_full), n), np.float32)
        _bound_rows(products, not_full, asking, bounds, most)
        step = max(min(-(-n // _MOST_SORTED), n // (k + 1)), 1)
        some = np.ascontiguousarray(most[:, ::step])
        place = some.shape[1] - k - 1
        some.partition(place, axis=1)
        enough[not_full] = some[:, place]
    return enough


@njit(cache=True, nogil=True)
def _insert_products(products, asking, rounding, queries, candidates, numbers, rows, neighbors, similarities):
    """Insert by similarities that are computed where the products (a, c), rounded somehow, leave room for them."""
    last = neighbors.shape[1] - 1
    for q in range(len(asking)):
        row = asking[q]
        own, filled = rows[row], _count_filled(neighbors, row)
        for c in range(len(numbers)):
            if products[q, c] + rounding >= similarities[row, last] and numbers[c] != own:
                similarity = _product(queries, row, candidates, c)
                filled = _insert(similarity, numbers[c], row, filled, neighbors, similarities)


@njit(cache=True, nogil=True)
def _bound_rows(products, which, asking, bounds, most):
    for w in range(len(which)):
        _bound(products, which[w], asking[which[w]], bounds, np.float32(0), most[w])


@njit(cache=True, nogil=True)
def _bound(products, q, row, bounds, last_similarity, most):
    """Fill in what the similarities (c,) of a row may be at most, closely about that of its last neighbour."""
    query_scale, query_error, scale, error, rounding = bounds
    of_query, own_error = query_scale[row], query_error[row]
    at = min(max(last_similarity, np.float32(0)), _NEAREST)
    height = np.float32(1) / np.sqrt(np.float32(1) - at * at)
    slope = at * height
    for c in range(products.shape[1]):
        product = (of_query * scale[c]) * np.float32(products[q, c])
        most[c] = product + (own_error + error[c]) * (height - slope * product) + own_error * error[c] + rounding


@njit(cache=True, nogil=True)
def _insert_screened(products, asking, bounds, enough, queries, candidates, numbers, rows, neighbors, similarities):
    """Insert by similarities that are computed where the products (a, c) of codes leave room for them."""
    n, last = products.shape[1], neighbors.shape[1] - 1
    most, found = np.empty(n, np.float32), np.empty(n + 8, np.int64)
    near_enough = np.zeros(-(-n // 8) * 8, np.int8)
    eight_near_enough = near_enough.view(np.int64)
    for q in range(len(asking)):
        row = asking[q]
        own, filled = rows[row], _count_filled(neighbors, row)
        n_found = np.int64(0)
        for turn in range(int(enough[q] == np.inf), 2):
            least = max(similarities[row, last], _LEAST) if turn else enough[q]
            _bound(products, q, row, bounds, similarities[row, last], most)
            for f in range(n_found):
                most[found[f]] = _DONE
            n_found = np.int64(0)
            for c in range(n):
                near_enough[c] = np.int8(most[c] >= least)
            for eight in range(len(eight_near_enough)):  # in one look, as most are not
                if eight_near_enough[eight] != 0:
                    for c in range(8 * eight, 8 * eight + 8):  # without a branch, which no processor could foretell
                        found[n_found] = c
                        n_found += np.int64(near_enough[c])
            for f in range(n_found):
                c = found[f]
                if most[c] >= similarities[row, last] and numbers[c] != own:
                    similarity = _product(queries, row, candidates, c)
                    filled = _insert(similarity, numbers[c], row, filled, neighbors, similarities)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _product(queries, row, candidates, candidate):
    total = np.float32(0)
    for c in range(queries.shape[1]):
        total += queries[row, c] * candidates[candidate, c]
    return total


@njit(cache=True, nogil=True)
def _insert(similarity, number, row, filled, neighbors, similarities):
    """Put a neighbour in its place among the first `filled` of a row's list; return how many these are then.

    The last of a full list goes, unless all of its neighbours are nearer than the new one.
    """
    k = neighbors.shape[1]
    if filled == k and similarity < similarities[row, k - 1]:
        return k
    place = min(filled, k - 1)
    if filled == k and similarity == similarities[row, place] and number > neighbors[row, place]:
        return k
    while place > 0 and similarities[row, place - 1] < similarity:
        similarities[row, place] = similarities[row, place - 1]
        neighbors[row, place] = neighbors[row, place - 1]
        place -= 1
    while place > 0 and similarities[row, place - 1] == similarity and neighbors[row, place - 1] > number:
        similarities[row, place] = similarities[row, place - 1]
        neighbors[row, place] = neighbors[row, place - 1]
        place -= 1
    similarities[row, place] = similarity
    neighbors[row, place] = number
    return min(filled + 1, k)


@njit(cache=True, nogil=True)
def _count_filled(neighbors, row):
    filled = neighbors.shape[1]
    while filled > 0 and neighbors[row, filled - 1] < 0:
        filled -= 1
    return filled
