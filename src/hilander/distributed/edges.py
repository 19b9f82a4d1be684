"""Edges in parts: each pair of neighbours stands in the part of its lower node, and is told to that of the higher."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilander.distributed.engine import Run
from hilander.distributed.parts import Parts
from hilander.distributed.store import Store
from hilander.graph.pairs import N_CANDIDATES


@dataclass(frozen=True)
class EdgeParts:
    """An undirected graph over n nodes whose edges lie in as many parts as its nodes.

    Attributes
    ----------
    store : Store
    name : str
        Folder of the store.
    bounds : ndarray of shape (n_parts + 1,), int64
        Nodes of part p. It holds the edges whose lower node it holds, sorted as in one array of all.
    """

    store: Store
    name: str
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def array(self, name: str) -> Parts:
        """Return one of the graph's arrays; `bounds` hold for those with a row per node."""
        return Parts(self.store, f"{self.name}_{name}", self.bounds)

    def edges(self, part: int) -> NDArray[np.int64]:
        """Return a part's edges (m_p, 2), ``edges[:, 0] < edges[:, 1]``."""
        return self.array("edges").read(part)

    def told(self, part: int, values: str) -> NDArray[np.float32]:
        """Return what lower parts have told of their edges to the higher nodes in this part, in the order of all."""
        found = []
        for lower in range(part):
            start, stop = self.array("told_ends").read(lower)[part : part + 2]
            if stop > start:
                found.append(self.store.read(f"{self.name}_{values}/{lower:06d}", int(start), int(stop)))
        return np.concatenate(found) if found else np.asarray(self.store.read(f"{self.name}_{values}/{part:06d}")[:0])

    def tell(self, part: int, name: str, values: NDArray[np.float32]) -> None:
        """Write a part's values (m_p, c) of the edges that end in higher parts, for `told`."""
        self.array(name).write(part, values[self.array("told_rows").read(part)])

    def adjacency(self, part: int) -> Adjacency:
        """Return the neighbours of a part's nodes."""
        return Adjacency(*(self.array(f"adjacent_{name}").read(part) for name in ("starts", "nodes", "edges")))

    def take_adjacent(
        self, nodes: NDArray[np.int64], values: str
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return starts, neighbours and values of the edges at some nodes, in ascending order."""
        starts = [np.zeros(1, np.int64)]
        others: list[NDArray] = []
        found: list[NDArray] = []
        ends = np.searchsorted(nodes, self.bounds)
        for part in np.flatnonzero(np.diff(ends)).tolist():
            rows = nodes[ends[part] : ends[part + 1]] - self.bounds[part]
            of_part = np.asarray(self.array("adjacent_starts").read(part))
            first, last = int(of_part[rows[0]]), int(of_part[rows[-1] + 1])
            counts = of_part[rows + 1] - of_part[rows]
            inside = np.repeat(of_part[rows] - first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
            starts.append(counts)
            for name, into in (("adjacent_nodes", others), (values, found)):
                into.append(self.store.read(f"{self.name}_{name}/{part:06d}", first, last)[inside])
        if not found:
            return np.zeros(1, np.int64), np.empty(0, np.int64), self.array(values).read(0)[:0]
        return np.cumsum(np.concatenate(starts)), np.concatenate(others), np.concatenate(found)


@dataclass(frozen=True)
class Adjacency:
    """Neighbours of the nodes of one part, ascending.

    Attributes
    ----------
    starts : ndarray of shape (n_p + 1,), int64
        The p-th node has the neighbours ``nodes[starts[p]:starts[p + 1]]``.
    nodes : ndarray of shape (a,), int64
    edges : ndarray of shape (a,), int64
        Row of each among the values that were told to this part, followed by those of its own edges.
    """

    starts: NDArray[np.int64]
    nodes: NDArray[np.int64]
    edges: NDArray[np.int64]


def make_edges(run: Run, name: str, *neighbors: Parts) -> EdgeParts:
    """Join nodes as `hilander.graph.pairs.undirected_edges` does.

    Beside the edges, each of `neighbors` gets an array ``<name>_in_degree``: how many lists of 20 hold each node.

    Parameters
    ----------
    run : Run
    name : str
        What the graph's arrays are called by.
    *neighbors : Parts
        Lists of the nodes, in the same parts.
    """
    graph = EdgeParts(run.store, name, neighbors[0].bounds)
    parts = range(len(graph))
    run.step(f"{name}: pairs", _write_pairs, [(graph, neighbors, part) for part in parts])
    run.step(f"{name}: edges", _write_edges, [(graph, neighbors, part) for part in parts])
    run.step(f"{name}: adjacency", _write_adjacency, [(graph, part) for part in parts])
    for name_of_pieces in ("pairs", "pairs_ends"):
        run.store.remove(f"{name}_{name_of_pieces}")
    for lists in neighbors:
        for name_of_pieces in ("listed", "listed_ends"):
            run.store.remove(f"{name}_{lists.name}_{name_of_pieces}")
    return graph


def _write_pairs(graph: EdgeParts, neighbors: tuple[Parts, ...], part: int) -> None:
    """Sort the pairs that a part's lists make by their lower node, and the listed nodes."""
    own = np.arange(graph.bounds[part], graph.bounds[part + 1])
    pairs = []
    for lists in neighbors:
        candidates = np.asarray(lists.read(part))[:, :N_CANDIDATES]
        pairs.append(np.stack([np.repeat(own, candidates.shape[1]), candidates.ravel()], axis=1))
        _write_pieces(_listed(graph, lists), part, np.sort(candidates.ravel()))
    both = np.sort(np.concatenate(pairs), axis=1)
    both = both[both[:, 0] != both[:, 1]]
    order = np.argsort(both[:, 0], kind="stable")
    _write_pieces(graph.array("pairs"), part, both[order])


def _write_edges(graph: EdgeParts, neighbors: tuple[Parts, ...], part: int) -> None:
    start, stop = graph.bounds[part], graph.bounds[part + 1]
    for lists in neighbors:
        listed = _read_pieces(_listed(graph, lists), part)
        lists.named(f"{lists.name}_in_degree").write(part, np.bincount(listed - start, minlength=stop - start))
    pairs = _read_pieces(graph.array("pairs"), part)
    edges = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    differs = np.ones(len(edges), np.bool_)
    differs[1:] = (edges[1:] != edges[:-1]).any(axis=1)
    edges = edges[differs]
    graph.array("edges").write(part, edges)
    owner = graph.array("edges").part_of(edges[:, 1])
    rows = np.argsort(owner, kind="stable")
    rows = rows[np.searchsorted(owner[rows], part, side="right") :]  # those that end in higher parts
    graph.array("told_rows").write(part, rows)
    graph.array("told_ends").write(part, np.searchsorted(owner[rows], np.arange(len(graph) + 1)))
    graph.array("told_edges").write(part, edges[rows])


def _write_adjacency(graph: EdgeParts, part: int) -> None:
    start, stop = graph.bounds[part], graph.bounds[part + 1]
    told, own = graph.told(part, "told_edges"), graph.edges(part)
    inside = np.flatnonzero(own[:, 1] < stop)
    # In this order every node's neighbours come sorted: lower ones of other parts and of this one, then higher ones.
    at = np.concatenate([told[:, 1], own[inside, 1], own[:, 0]]) - start
    others = np.concatenate([told[:, 0], own[inside, 0], own[:, 1]])
    edges = np.concatenate([np.arange(len(told)), len(told) + inside, len(told) + np.arange(len(own))])
    order = np.argsort(at, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=stop - start))])
    for name, values in (("starts", starts), ("nodes", others[order]), ("edges", edges[order])):
        graph.array(f"adjacent_{name}").write(part, values)


def _listed(graph: EdgeParts, lists: Parts) -> Parts:
    """The listed nodes, by the graph that they are gathered for: another one may be made of the same lists."""
    return lists.named(f"{graph.name}_{lists.name}_listed")


def _write_pieces(pieces: Parts, part: int, values: NDArray[np.int64]) -> None:
    """Write values sorted by node, for the parts that hold the nodes."""
    keys = values if values.ndim == 1 else values[:, 0]
    pieces.write(part, values)
    pieces.named(f"{pieces.name}_ends").write(part, np.searchsorted(keys, pieces.bounds))


def _read_pieces(pieces: Parts, part: int) -> NDArray[np.int64]:
    """Read what all parts have written for one."""
    found = []
    for other in range(len(pieces)):
        start, stop = pieces.named(f"{pieces.name}_ends").read(other)[part : part + 2]
        found.append(pieces.store.read(f"{pieces.name}/{other:06d}", int(start), int(stop)))
    return np.concatenate(found)
