"""Nearest neighbours of features in parts: the same as `hilander.graph.knn.nearest_neighbors` finds on one machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilander.distributed.compare import compare_all, compare_some, whole_blocks
from hilander.distributed.engine import Run
from hilander.distributed.parts import Parts
from hilander.distributed.reorder import fetch, reorder
from hilander.graph.inverted_lists import (
    choose_lists,
    drawn_rows,
    list_starts,
    note_lists,
    rows_per_product,
)
from hilander.graph.knn import EXACT_UP_TO, WORTHWHILE_SHARE, number_of_lists
from hilander.graph.list_join import ROWS_PER_BLOCK, answer_rows, asking_order
from hilander.graph.threads import by_threads

_BLOCKS_PER_PART = 4  # that one worker answers, at once where it has several threads


@dataclass(frozen=True)
class _Lists:
    """What `hilander.graph.inverted_lists.InvertedLists` holds, in the store.

    Attributes
    ----------
    folder : str
        Of the store, with the arrays ``centroids``, ``starts``, ``rows`` and ``asking``: where the rows that are
        answered one after the other stand among all rows list after list.
    margin : float
    features, probes : Parts
        Embeddings (n, d), float32, and noted lists (n, 16), int32, of all rows list after list.
    """

    folder: str
    margin: float
    features: Parts
    probes: Parts


def search(run: Run, name: str, features: Parts, k: int, random_state: int) -> tuple[Parts, Parts]:
    """Write every row's nearest other rows.

    Parameters
    ----------
    run : Run
    name : str
        What the results are called by.
    features : Parts
        (n, d) float32, L2-normalised.
    k : int
        Neighbours per row, at least 1; clipped to n - 1.
    random_state : int
        Seed of the inverted lists' k-means and of the calibration sample.

    Returns
    -------
    neighbors, similarities : Parts
        ``<name>_neighbors`` and ``<name>_similarities`` in the parts of `features`, (n, k), int64 and float32, as
        `hilander.graph.knn.nearest_neighbors` returns them.
    """
    n = int(features.bounds[-1])
    k = min(k, n - 1)
    neighbors, similarities = features.named(f"{name}_neighbors"), features.named(f"{name}_similarities")
    if k < 1:
        for part in range(len(features)):
            neighbors.write(part, np.empty((n, 0), np.int64))
            similarities.write(part, np.empty((n, 0), np.float32))
        return neighbors, similarities
    lists = _build_lists(run, name, features, k, random_state) if n > EXACT_UP_TO else None
    if lists is None:
        compare_all(run, f"{name}: compare", features, k, neighbors, similarities)
    else:
        _join_lists(run, name, features, k, lists, neighbors, similarities)
    return neighbors, similarities


def _build_lists(run: Run, name: str, features: Parts, k: int, random_state: int) -> _Lists | None:
    """Do what `hilander.graph.inverted_lists.build_lists` does; None where lists are not worth it."""
    store, folder, n = run.store, f"{name}_lists", int(features.bounds[-1])
    samples = f"{name}_sample"  # kept to the end: steps that made them are not done again
    query_rows = drawn_rows(n, number_of_lists(n), random_state)[1]
    queries = fetch(run, f"{name}_queries", features, query_rows)
    true = compare_some(run, f"{name}_true", features, k, query_rows)
    true_rows, place = np.unique(store.kept(f"{folder}/true", true[0].all), return_inverse=True)
    true_features = fetch(run, f"{name}_true_features", features, true_rows)

    def read_rows(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return fetch(run, f"{samples}/{len(rows)}", features, rows).all()  # each sample is larger than the last one

    def choose() -> NDArray[np.float32]:
        found = true_features.all()[place.ravel()]
        centroids, *measured = choose_lists(n, number_of_lists(n), read_rows, queries.all(), found, random_state)
        store.write(f"{folder}/margin", np.array(measured))  # first, so that it is there where the centroids are
        return centroids

    centroids = store.kept(f"{folder}/centroids", choose)
    margin, share = store.read(f"{folder}/margin").tolist()
    for used in (queries, *true, true_features):
        store.remove(used.name)
    store.remove(samples)
    if share > WORTHWHILE_SHARE:
        return None

    probes, own = features.named(f"{name}_probes"), features.named(f"{name}_own")
    tasks = [(features, f"{folder}/centroids", margin, probes, own, part) for part in range(len(features))]
    run.step(f"{name}: lists", _note, tasks)
    rows = store.kept(f"{folder}/rows", lambda: np.argsort(own.all(), kind="stable"))
    store.kept(f"{folder}/starts", lambda: list_starts(own.all(), len(centroids)))
    position = np.empty(n, np.int64)
    position[rows] = np.arange(n)
    by_list = Parts(store, f"{name}_by_list", np.append(np.arange(0, n, _BLOCKS_PER_PART * ROWS_PER_BLOCK), n))
    lists = _Lists(folder, margin, by_list, by_list.named(f"{name}_by_list_probes"))
    for source, target in ((features, lists.features), (probes, lists.probes)):
        reorder(run, target.name, source, position, target)
    store.kept(f"{folder}/asking", lambda: asking_order(_last_noted(lists.probes)))
    for used in (probes, own):
        store.remove(used.name)
    return lists


def _last_noted(probes: Parts) -> NDArray[np.int32]:
    return np.concatenate([probes.read(part)[:, -1] for part in range(len(probes))])


def _join_lists(
    run: Run, name: str, features: Parts, k: int, lists: _Lists, neighbors: Parts, similarities: Parts
) -> None:
    """Do what `hilander.graph.list_join.join_lists` does, and compare with all what found too few there."""
    store, by_list = run.store, lists.features
    answers = by_list.named(f"{name}_answers"), by_list.named(f"{name}_answer_similarities")
    short = by_list.named(f"{name}_short")
    run.step(f"{name}: answer", _answer, [(lists, k, *answers, short, part) for part in range(len(by_list))])
    lacking = store.kept(f"{lists.folder}/short", lambda: np.sort(short.all()))
    rows = store.read(f"{lists.folder}/rows")[store.read(f"{lists.folder}/asking")]
    final = neighbors, similarities
    found = tuple(features.named(f"{name}_found_{what}") for what in ("neighbors", "similarities"))
    for source, target in zip(answers, found if len(lacking) else final, strict=True):
        reorder(run, target.name, source, rows, target)
    if len(lacking):
        rest = compare_some(run, f"{name}_rest", features, k, lacking)
        for values, incomplete, into in zip(rest, found, final, strict=True):
            tasks = [(values, incomplete, into, f"{lists.folder}/short", part) for part in range(len(into))]
            run.step(f"{into.name}: rest", _complete, tasks)
            store.remove(values.name)
            store.remove(incomplete.name)
    for used in (lists.features, lists.probes, *answers, short):
        store.remove(used.name)


def _note(features: Parts, centroids_name: str, margin: float, probes: Parts, own: Parts, part: int) -> None:
    centroids = features.store.read(centroids_name)
    first, last = whole_blocks(features, part, rows_per_product(len(centroids)))
    noted = note_lists(features.rows(first, last), centroids, margin)[slice(*features.bounds[part : part + 2] - first)]
    probes.write(part, noted)
    own.write(part, noted[:, 0])


def _answer(lists: _Lists, k: int, neighbors: Parts, similarities: Parts, short: Parts, part: int) -> None:
    store, by_list = lists.features.store, lists.features
    centroids, starts = store.read(f"{lists.folder}/centroids"), store.read(f"{lists.folder}/starts")

    def read_list(number: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        start, stop = starts[number : number + 2].tolist()
        return np.array(store.read(f"{lists.folder}/rows", start, stop)), by_list.rows(start, stop)

    asking = np.array(store.read(f"{lists.folder}/asking", *by_list.bounds[part : part + 2].tolist()))
    first = int(asking.min())
    rows = np.array(store.read(f"{lists.folder}/rows", first, int(asking.max()) + 1))[asking - first]
    queries, noted = by_list.take(asking), lists.probes.take(asking)
    found, found_similarities = np.empty((len(rows), k), np.int64), np.empty((len(rows), k), np.float32)

    def answer(block: slice) -> None:
        found[block], found_similarities[block] = answer_rows(
            rows[block], queries[block], noted[block], k, centroids, lists.margin, read_list
        )

    by_threads(answer, len(rows), ROWS_PER_BLOCK, multiplies=True)
    neighbors.write(part, found)
    similarities.write(part, np.clip(found_similarities, -1.0, 1.0))
    short.write(part, rows[found[:, -1] < 0])


def _complete(values: Parts, incomplete: Parts, into: Parts, short_name: str, part: int) -> None:
    """Write what was found, and in it the values of the rows that the lists held too few neighbours for."""
    short, (first, last) = into.store.read(short_name), into.bounds[part : part + 2]
    start, stop = np.searchsorted(short, [first, last])
    completed = np.array(incomplete.read(part))
    completed[short[start:stop] - first] = values.rows(int(start), int(stop))
    into.write(part, completed)
