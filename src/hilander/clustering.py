"""Cluster embeddings with a model: the level loop, made independent of the order and multiplicity of the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.graph.distinct_rows import ordered_rows
from hilander.graph.knn import nearest_neighbors
from hilander.hierarchy.constrained_rows import constrained_rows
from hilander.hierarchy.constraints import Constraints
from hilander.hierarchy.decode import Links
from hilander.hierarchy.levels import Level, LevelGraph
from hilander.linkage_threshold import adapt_threshold, multiply_odds
from hilander.membership import membership_probabilities
from hilander.model_levels import model_levels, remembered
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings
from hilander.paged_arrays import empty_array, let_go
from hilander.set_whitening import learn_whitening
from hilander.whitening import Whitening

_ROWS_PER_CHUNK = 1 << 14


@dataclass(frozen=True)
class LevelSummary:
    """What one level did.

    Attributes
    ----------
    n_nodes, n_edges, n_clusters : int
        Nodes that it started with, nodes that found a parent, clusters that it ended with.
    labels : ndarray of shape (n,), int64
        Cluster of every item after this level.
    """

    n_nodes: int
    n_edges: int
    n_clusters: int
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Clustering:
    """A finished clustering of n items.

    Attributes
    ----------
    labels : ndarray of shape (n,), int64
        0..C-1, numbered by decreasing cluster size.
    probabilities : ndarray of shape (n,), float32
        Mean predicted linkage of an item to its neighbours within its cluster; where it stands alone, how likely it
        belongs to none of the clusters of its neighbours (`hilander.membership`).
    peaks : ndarray of shape (C,), int64
        The item that represents each cluster.
    levels : list of LevelSummary
    nodes : ndarray of shape (n_nodes, d), float32
        The embeddings that were clustered, equal ones as one where constraints let them, and whitened where so.
    node_rows : ndarray of shape (n_nodes,), int64
        A row of each.
    linkage_threshold : float
        The one that was clustered by.
    whitening : Whitening or None
        What the embeddings went through first.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    peaks: NDArray[np.int64]
    levels: list[LevelSummary]
    nodes: NDArray[np.float32]
    node_rows: NDArray[np.int64]
    linkage_threshold: float
    whitening: Whitening | None = None


def cluster_embeddings(
    embeddings: NDArray[np.float32],
    model: ClusteringModel,
    settings: ClusteringSettings | None = None,
    *,
    must_link: NDArray[np.int64] | None = None,
    cannot_link: NDArray[np.int64] | None = None,
    max_cluster_size: int | None = None,
    granularity: float = 1.0,
    random_state: int = 0,
    show_progress: bool = False,
) -> Clustering:
    """Cluster L2-normalised embeddings.

    Equal rows are clustered as one, so they share a cluster wherever constraints let them, and rows are brought into
    an order of their own first, so the partition does not depend on the order of the input.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        From `hilander.embeddings.check_embeddings`.
    model : ClusteringModel
    settings : ClusteringSettings, optional
        In place of the model's own.
    must_link, cannot_link : ndarray of shape (m, 2), int64, optional
        Pairs of rows that share a cluster of every level, and that share none.
    max_cluster_size : int, optional
        Most rows of a cluster.
    granularity : float
        Multiplies the odds of the linkage threshold: above 1 for finer clusters.
    random_state : int
        Seed of the approximate neighbour search of large sets.
    show_progress : bool
        Draw progress bars of the neighbour search and of the linkage of items.

    Raises
    ------
    ValueError
        The constraints contradict each other.
    """
    settings = settings or model.settings
    first, inverse = ordered_rows(embeddings)
    whitening = learn_whitening(embeddings, model, settings, rows=first)
    constraints = None
    if max_cluster_size is not None or any(pairs is not None and len(pairs) for pairs in (must_link, cannot_link)):
        none = np.empty((0, 2), np.int64)
        first, inverse, constraints = constrained_rows(
            inverse,
            none if must_link is None else must_link,
            none if cannot_link is None else cannot_link,
            max_cluster_size,
        )
    nodes = _taken(embeddings, first)
    del embeddings  # freed here where the caller keeps no reference
    if whitening is not None:
        nodes = whitening(nodes)
    neighbors = None
    if settings.adapt_threshold:
        neighbors = nearest_neighbors(
            nodes, settings.n_neighbors, random_state=random_state, show_progress=show_progress
        )
    clustering = cluster_nodes(
        nodes,
        first,
        inverse,
        model,
        settings,
        constraints=constraints,
        neighbors=neighbors,
        granularity=granularity,
        random_state=random_state,
        show_progress=show_progress,
    )
    return replace(clustering, whitening=whitening)


def _taken(embeddings: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows of an array as one that need not be resident."""
    taken = empty_array((len(rows), embeddings.shape[1]))
    for start in range(0, len(rows), _ROWS_PER_CHUNK):
        chunk = slice(start, start + _ROWS_PER_CHUNK)
        np.take(embeddings, rows[chunk], axis=0, out=taken[chunk])
        let_go(embeddings)
        let_go(taken)
    return taken


def cluster_nodes(
    nodes: NDArray[np.float32],
    first: NDArray[np.int64],
    inverse: NDArray[np.int64],
    model: ClusteringModel,
    settings: ClusteringSettings,
    *,
    constraints: Constraints | None = None,
    link: Callable[[LevelGraph], Links] | None = None,
    neighbors: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
    granularity: float = 1.0,
    random_state: int = 0,
    show_progress: bool = False,
) -> Clustering:
    """Run the levels on the nodes of level 0, and tell of every row what became of its node.

    Parameters
    ----------
    nodes : ndarray of shape (n_nodes, d), float32
    first : ndarray of shape (n_nodes,), int64
        A row of each node.
    inverse : ndarray of shape (n,), int64
        Node of each row.
    model, settings, constraints, link, neighbors, random_state, show_progress
        As in `hilander.model_levels.model_levels`.
    granularity : float
        As in `cluster_embeddings`.
    """
    common: dict[str, Any] = {
        "constraints": constraints, "link": link, "neighbors": neighbors, "random_state": random_state,
        "show_progress": show_progress,
    }  # fmt: skip
    if settings.adapt_threshold:  # the levels below the last are gone through again; what they are made of is kept
        common["link"] = remembered(link or model.linker())
        settings = adapt_threshold(nodes, model, settings, **common)
    settings = replace(settings, linkage_threshold=multiply_odds(settings.linkage_threshold, granularity))
    levels = list(model_levels(nodes, model, settings, **common))
    if not levels:  # a single distinct row
        alone = np.zeros(len(inverse), np.int64), np.ones(len(inverse), np.float32)
        return Clustering(*alone, first[:1], [], nodes, first, settings.linkage_threshold)
    final = levels[-1].merged
    rank = _rank_by_size(final.members[inverse], first[final.peaks])
    peaks = np.empty_like(rank)
    peaks[rank] = first[final.peaks]
    return Clustering(
        labels=rank[final.members[inverse]],
        probabilities=membership_probabilities(levels[0].links, final.members, np.bincount(inverse))[inverse],
        peaks=peaks,
        levels=[_summary(level, inverse) for level in levels],
        nodes=nodes,
        node_rows=first,
        linkage_threshold=settings.linkage_threshold,
    )


def _rank_by_size(labels: NDArray[np.int64], peaks: NDArray[np.int64]) -> NDArray[np.int64]:
    """New number of each cluster: larger first, then by its peak's position."""
    rank = np.empty(len(peaks), np.int64)
    rank[np.lexsort((peaks, -np.bincount(labels, minlength=len(peaks))))] = np.arange(len(peaks))
    return rank


def _summary(level: Level, inverse: NDArray[np.int64]) -> LevelSummary:
    return LevelSummary(level.n_nodes, level.n_edges, level.n_clusters, level.merged.members[inverse])
