"""From the rows of a source to the nodes of a clustering: checked, normalised, equal ones as one, in spatial order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray

from hilander.data.errors import DataError
from hilander.distributed.engine import Run
from hilander.distributed.parts import Parts
from hilander.distributed.reorder import fetch, reorder
from hilander.distributed.source import Piece, Source
from hilander.distributed.tied_rows import rank_by_bytes
from hilander.embeddings import check_embeddings, check_width
from hilander.graph.distinct_rows import distinct_by_key, first_numbers
from hilander.graph.knn import EXACT_UP_TO
from hilander.graph.spatial_order import nearest_pivot, order_by_pivots, rows_of_cells

ROWS_PER_PART = 1 << 16


@dataclass(frozen=True)
class Ingested:
    """What a clustering starts from.

    Attributes
    ----------
    first : ndarray of shape (n_nodes,), int64
        The first row of each node.
    inverse : ndarray of shape (n,), int64
        Node of each row.
    features : Parts
        The nodes' embeddings (n_nodes, d), float32, L2-normalised.
    """

    first: NDArray[np.int64]
    inverse: NDArray[np.int64]
    features: Parts


def ingest(run: Run, source: Source, n_features: int | None = None, *, rows_per_part: int = ROWS_PER_PART) -> Ingested:
    """Write the embeddings of a source's nodes, in the order of `hilander.graph.distinct_rows.ordered_rows`.

    Parameters
    ----------
    run : Run
    source : Source
    n_features : int, optional
        The width that is asked for.
    rows_per_part : int
        Most nodes of a part of ``identity``.

    Raises
    ------
    ValueError
        As `hilander.embeddings.check_embeddings` does, with the rows' numbers in the whole input; or shards changed
        while they were read.
    """
    check_width((source.n_rows, source.width), n_features)
    if not source.pieces:
        check_embeddings(np.empty((0, source.width), np.float32))  # which says what is missing
    bounds = np.array([*(piece.first_row for piece in source.pieces), source.n_rows])
    rows = Parts(run.store, "rows", bounds)
    run.step("rows", _write_rows, [(piece, source.width, rows, part) for part, piece in enumerate(source.pieces)])
    source.check_unchanged()
    inverse = np.array(run.store.kept("nodes/distinct", lambda: _distinct(rows)))
    first = _first_of_each(inverse)
    if len(first) > EXACT_UP_TO:
        position = np.empty_like(first)
        order = run.store.kept("nodes/order", lambda: _order_in_space(run, rows, first))
        position[order] = np.arange(len(first))
        inverse = position[inverse]
        first = _first_of_each(inverse)

    features = Parts.even(run.store, "identity", len(first), rows_per_part)
    goes_to = np.full(source.n_rows, -1)
    goes_to[first] = np.arange(len(first))
    reorder(run, "nodes", rows, goes_to, features)
    for name in ("rows", "rows_keys", "rows_hashes", "sample_1", "sample_2", "nearest_1", "nearest_2"):
        run.store.remove(name)
    return Ingested(first, inverse, features)


def _write_rows(piece: Piece, width: int, rows: Parts, part: int) -> None:
    embeddings = check_embeddings(piece.read(), first_row=piece.first_row)
    if embeddings.shape[1] != width:
        raise DataError(
            f"{piece.shard}: embeddings must have one width, got {width} and, from row {piece.first_row} on, "
            f"{embeddings.shape[1]}"
        )
    told_apart_by = embeddings + np.float32(0)  # −0 equals 0 but has other bytes
    hashes = b"".join(hashlib.blake2b(row.data, digest_size=16).digest() for row in told_apart_by)
    rows.named("rows_hashes").write(part, np.frombuffer(hashes, np.uint64).reshape(-1, 2))
    rows.named("rows_keys").write(part, first_numbers(embeddings))
    rows.write(part, embeddings)


def _distinct(rows: Parts) -> NDArray[np.int64]:
    """Distinct row of each row: only where keys tie, hashes are looked at, and only where these differ, rows."""

    def sort_tied(tied: NDArray[np.int64], keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        hashes = rows.named("rows_hashes").take(tied)
        order = np.lexsort((hashes[:, 1], hashes[:, 0], keys))
        keys, hashes = keys[order], hashes[order]
        begins = np.ones(len(tied), np.bool_)
        begins[1:] = (keys[1:] != keys[:-1]) | (hashes[1:] != hashes[:-1]).any(axis=1)
        rank = rank_by_bytes(rows, tied[order[begins]], keys[begins])[np.cumsum(begins) - 1]
        by_bytes = np.argsort(rank, kind="stable")
        return order[by_bytes], np.diff(rank[by_bytes]) > 0

    return distinct_by_key(rows.named("rows_keys").all(), sort_tied)[1]


def _first_of_each(inverse: NDArray[np.int64]) -> NDArray[np.int64]:
    first = np.empty(inverse.max() + 1, np.int64)
    first[inverse[::-1]] = np.arange(len(inverse))[::-1]  # of several rows the last one written stays
    return first


def _order_in_space(run: Run, rows: Parts, first: NDArray[np.int64]) -> NDArray[np.int64]:
    stages, samples = count(1), count(1)

    def take(some: NDArray[np.int64]) -> NDArray[np.float32]:
        return fetch(run, f"sample_{next(samples)}", rows, first[some]).all()

    def nearest(cell: NDArray[np.int16], pivots: Sequence[NDArray[np.float32]]) -> NDArray[np.int16]:
        found = rows.named(f"nearest_{next(stages)}")
        cells = rows.named(f"{found.name}_cells")
        cell_of_row = np.full(rows.bounds[-1], -1, np.int16)
        cell_of_row[first] = cell
        for part, (start, stop) in enumerate(pairwise(rows.bounds)):
            cells.write(part, cell_of_row[start:stop])
        ends = np.cumsum([0, *map(len, pivots)])
        vectors = f"{found.name}_pivots/all"
        run.store.write(vectors, np.concatenate(pivots))
        run.step(found.name, _find_nearest, [(rows, cells, vectors, ends, found, part) for part in range(len(rows))])
        for name in (cells.name, f"{found.name}_pivots"):
            run.store.remove(name)
        return found.all()[first]

    return order_by_pivots(len(first), take, nearest)


def _find_nearest(rows: Parts, cells: Parts, vectors: str, ends: NDArray[np.int64], found: Parts, part: int) -> None:
    embeddings, pivots, cell = rows.read(part), rows.store.read(vectors), cells.read(part)
    asked = np.flatnonzero(cell >= 0)
    nearest = np.zeros(len(cell), np.int16)
    for inside, (start, stop) in zip(rows_of_cells(cell[asked], len(ends) - 1), pairwise(ends), strict=True):
        if start < stop and len(inside):
            nearest[asked[inside]] = nearest_pivot(embeddings, asked[inside], pivots[start:stop])
    found.write(part, nearest)
