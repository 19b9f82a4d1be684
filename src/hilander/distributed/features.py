"""Cluster features of items, and the sums of features over clusters, in parts."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hilander.distributed.edges import EdgeParts
from hilander.distributed.engine import Run
from hilander.distributed.parts import Parts
from hilander.graph.cluster_features import LEAST_LINKAGE, SMOOTHING_STEPS, move_rows

_CLUSTERS_PER_PART = 1 << 12


def cluster_feature_parts(run: Run, graph: EdgeParts, features: Parts, name: str, *, linkage: str = "linkage") -> Parts:
    """Write the cluster features of all nodes, as `hilander.graph.cluster_features` does, by the linkage of `graph`.

    Parameters
    ----------
    run : Run
    graph : EdgeParts
    features : Parts
        Identity features.
    name : str
        Of the result.
    linkage : str
        Name of the linkage among the arrays of the graph.
    """
    before = features
    for number in range(SMOOTHING_STEPS):
        after = features.named(name if number == SMOOTHING_STEPS - 1 else f"{name}_{number + 1}")
        tasks = [(graph, linkage, before, after, part) for part in range(len(graph))]
        run.step(f"{name}: move {number + 1}", _move, tasks)
        if before is not features:
            run.store.remove(before.name)
        before = after
    return before


def _move(graph: EdgeParts, linkage_name: str, before: Parts, after: Parts, part: int) -> None:
    adjacency, own = graph.adjacency(part), np.asarray(before.read(part))
    linkage = np.concatenate([graph.told(part, f"told_{linkage_name}"), graph.array(linkage_name).read(part)])
    linkage = linkage[adjacency.edges]
    tied = linkage > LEAST_LINKAGE
    starts = np.concatenate([[0], np.cumsum(tied)])[adjacency.starts]
    mates, weights = adjacency.nodes[tied], linkage[tied]
    start, stop = graph.bounds[part], graph.bounds[part + 1]
    foreign = np.unique(mates[(mates < start) | (mates >= stop)])
    features = np.concatenate([own, before.take(foreign)]) if len(foreign) else own
    inside = (mates >= start) & (mates < stop)
    local = np.where(inside, mates - start, len(own) + np.searchsorted(foreign, mates))
    after.write(part, move_rows(features, starts, local, weights, slice(0, len(own))))


def sum_features(run: Run, name: str, features: Parts, members: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the sum of each cluster's features (C, d), which has the direction of their mean.

    Parameters
    ----------
    run : Run
    name : str
        Of the intermediate results.
    features : Parts
    members : ndarray of shape (n,), int64
        Cluster of each row, 0..C-1, none empty.
    """
    ends = np.concatenate([[0], np.cumsum(np.bincount(members))])
    order = np.argsort(members, kind="stable")
    sums = Parts.even(run.store, name, len(ends) - 1, _CLUSTERS_PER_PART)
    for part in range(len(sums)):
        of_part = ends[sums.bounds[part] : sums.bounds[part + 1] + 1]
        sums.named(f"{name}_ends").write(part, of_part - of_part[0])
        sums.named(f"{name}_rows").write(part, order[of_part[0] : of_part[-1]])
    run.step(name, _sum, [(features, sums, part) for part in range(len(sums))])
    return sums.all()


def _sum(features: Parts, sums: Parts, part: int) -> None:
    ends, rows = (np.asarray(sums.named(f"{sums.name}_{name}").read(part)) for name in ("ends", "rows"))
    belongs = sp.csr_array((np.ones(len(rows), np.float32), np.arange(len(rows)), ends))
    sums.write(part, belongs @ features.take(rows))
