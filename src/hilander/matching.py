"""The best matching of the rows of a sparse table of counts to its columns."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

_FEW_COUNTS = 64  # the largest of those that are matched by prices


def largest_matching(rows: NDArray[np.int64], columns: NDArray[np.int64], counts: NDArray[np.int64]) -> int:
    """Return the largest sum of counts of cells of which no two share a row or a column.

    Parameters
    ----------
    rows, columns : ndarray of shape (m,), int64
        Place of each cell, from 0.
    counts : ndarray of shape (m,), int64
        What each is worth, at least 1.
    """
    matched = 0
    while True:
        # A cell that outweighs the best rival in its row plus the best rival in its column belongs to some optimum:
        # taking it gives up no more than these two. Most cells of a good clustering go this way, in linear time.
        certain = counts >= _best_rival(rows, counts) + _best_rival(columns, counts)
        if not certain.any():
            break
        # Equal cells may be certain together in one row; only the first of each row and column is taken.
        chosen = np.flatnonzero(certain)
        chosen = chosen[np.unique(rows[chosen], return_index=True)[1]]
        chosen = chosen[np.unique(columns[chosen], return_index=True)[1]]
        matched += int(counts[chosen].sum())
        left = ~(np.isin(rows, rows[chosen]) | np.isin(columns, columns[chosen]))
        rows, columns, counts = rows[left], columns[left], counts[left]
    return matched + _largest_matching(rows, columns, counts)


@njit(cache=True)
def _best_rival(groups, counts):
    """For each cell, the largest count among the other cells of its group; 0 where it is alone."""
    n_groups = groups.max() + 1 if len(groups) else 0
    largest, runner_up = np.full(n_groups, -1), np.zeros(n_groups, np.int64)
    for cell in range(len(counts)):
        group = groups[cell]
        if largest[group] < 0 or counts[cell] > counts[largest[group]]:
            if largest[group] >= 0:
                runner_up[group] = counts[largest[group]]
            largest[group] = cell
        else:
            runner_up[group] = max(runner_up[group], counts[cell])
    rival = np.empty_like(counts)
    for cell in range(len(counts)):
        of_group = largest[groups[cell]]
        rival[cell] = runner_up[groups[cell]] if of_group == cell else counts[of_group]
    return rival


def _largest_matching(rows: NDArray[np.int64], columns: NDArray[np.int64], counts: NDArray[np.int64]) -> int:
    """As `largest_matching`, where no cell is certain."""
    if len(counts) == 0:
        return 0
    (row, n_rows), (column, n_columns) = _renumbered(rows), _renumbered(columns)
    top = int(counts.max())
    if top <= _FEW_COUNTS:
        table = sp.coo_array((counts, (row, column)), shape=(n_rows, n_columns)).tocsr()
        return int(_match_small_counts(table.indptr, table.indices, table.data, n_columns))
    # A column of its own for each row, of weight 0, makes a full matching exist; costs must not be 0, hence the + 1.
    top += 1
    own = np.arange(n_rows)
    costs = sp.coo_array(
        (
            np.r_[top - counts, np.full(n_rows, top)].astype(np.float64),
            (np.r_[row, own], np.r_[column, n_columns + own]),
        ),
        shape=(n_rows, n_columns + n_rows),
    ).tocsr()
    matching = min_weight_full_bipartite_matching(costs)
    return round(top * n_rows - float(costs[matching].sum()))


def _renumbered(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Codes without those that do not occur, and how many there are."""
    occurs = np.bincount(codes) > 0
    return (np.cumsum(occurs) - 1)[codes], int(occurs.sum())


@njit(cache=True)
def _match_small_counts(starts, columns, counts, n_columns):
    """Sum of the counts of the best matching, by as many steps as the largest count at most.

    The Hungarian method, all unmatched rows at once: their price falls from the largest count to 0, together with those
    of the rows that could make room for them, and at every price the method of Hopcroft and Karp (1973) matches as many
    as it can along cells that are worth their price. Where most counts are equal, as in a random clustering, growing
    one shortest path after the other takes minutes.
    """
    n_rows, unmatched_price = len(starts) - 1, counts.max()
    row_price, column_price = np.full(n_rows, unmatched_price), np.zeros(n_columns, np.int64)
    column_of, row_of = np.full(n_rows, -1), np.full(n_columns, -1)
    level, queue, path = np.empty(n_rows, np.int64), np.empty(n_rows, np.int64), np.empty(n_rows, np.int64)
    seen, cell = np.empty(n_columns, np.bool_), np.empty(n_rows, starts.dtype)
    prices, matched = (row_price, column_price), (column_of, row_of)
    while True:
        level[:], seen[:], n_queued, found = -1, False, 0, False
        for row in range(n_rows):
            if column_of[row] < 0:
                level[row], queue[n_queued] = 0, row
                n_queued += 1
        n_reached = 0
        while n_reached < n_queued:
            row = queue[n_reached]
            n_reached += 1
            for c in range(starts[row], starts[row + 1]):
                column = columns[c]
                if not seen[column] and row_price[row] + column_price[column] == counts[c]:
                    seen[column], other = True, row_of[column]
                    if other < 0:
                        found = True
                    elif level[other] < 0:
                        level[other], queue[n_queued] = level[row] + 1, other
                        n_queued += 1
        if found:
            cell[:] = starts[:-1]
            for root in range(n_rows):
                if column_of[root] < 0:
                    _augment(root, starts, columns, counts, prices, matched, level, cell, path)
            continue
        step = unmatched_price
        for row in queue[:n_queued]:
            for c in range(starts[row], starts[row + 1]):
                if not seen[columns[c]]:
                    step = min(step, row_price[row] + column_price[columns[c]] - counts[c])
        if step == unmatched_price:
            break
        unmatched_price -= step
        row_price[queue[:n_queued]] -= step
        for column in range(n_columns):
            if seen[column]:
                column_price[column] += step
    total = 0
    for row in range(n_rows):
        for c in range(starts[row], starts[row + 1]):
            if columns[c] == column_of[row]:
                total += counts[c]
    return total


@njit(cache=True)
def _augment(root, starts, columns, counts, prices, matched, level, cell, path):
    """Look for a path from an unmatched row to an unmatched column, level by level, and match along it."""
    (row_price, column_price), (column_of, row_of) = prices, matched
    depth, path[0] = 0, root
    while depth >= 0:
        row = path[depth]
        if cell[row] == starts[row + 1]:  # leads nowhere: the row above it goes on with its next cell
            depth -= 1
            if depth >= 0:
                cell[path[depth]] += 1
            continue
        column = columns[cell[row]]
        if row_price[row] + column_price[column] == counts[cell[row]]:
            other = row_of[column]
            if other < 0:
                for on_path in path[: depth + 1]:
                    column = columns[cell[on_path]]
                    column_of[on_path], row_of[column] = column, on_path
                    cell[on_path] = starts[on_path + 1]  # no second path leads through here
                return
            if level[other] == level[row] + 1 and cell[other] < starts[other + 1]:
                depth += 1
                path[depth] = other
                continue
        cell[row] += 1
