"""Cluster embeddings with a model: the level loop, made independent of the order and multiplicity of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilander.hierarchy.constrained_rows import constrained_rows
from hilander.hierarchy.constraints import Constraints
from hilander.hierarchy.decode import Links
from hilander.hierarchy.decoders import get_decoder
from hilander.hierarchy.levels import Level, LevelGraph, build_levels
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings


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
        Mean predicted linkage of an item to its neighbours within its cluster; for a cluster of one,
        1 minus its likeliest link.
    peaks : ndarray of shape (C,), int64
        The item that represents each cluster.
    levels : list of LevelSummary
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    peaks: NDArray[np.int64]
    levels: list[LevelSummary]


def cluster_embeddings(
    embeddings: NDArray[np.float32],
    model: ClusteringModel,
    settings: ClusteringSettings | None = None,
    *,
    must_link: NDArray[np.int64] | None = None,
    cannot_link: NDArray[np.int64] | None = None,
    max_cluster_size: int | None = None,
    random_state: int = 0,
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
    random_state : int
        Seed of the approximate neighbour search of large sets.

    Raises
    ------
    ValueError
        The constraints contradict each other.
    """
    settings = settings or model.settings
    first, inverse = distinct_rows(embeddings)
    constraints = None
    if max_cluster_size is not None or any(pairs is not None and len(pairs) for pairs in (must_link, cannot_link)):
        none = np.empty((0, 2), np.int64)
        first, inverse, constraints = constrained_rows(
            inverse,
            none if must_link is None else must_link,
            none if cannot_link is None else cannot_link,
            max_cluster_size,
        )
    levels = list(model_levels(embeddings[first], model, settings, constraints=constraints, random_state=random_state))
    if not levels:  # a single distinct row
        n = len(embeddings)
        return Clustering(np.zeros(n, np.int64), np.ones(n, np.float32), first, [])
    final = levels[-1].merged
    rank = _rank_by_size(final.members[inverse], first[final.peaks])
    peaks = np.empty_like(rank)
    peaks[rank] = first[final.peaks]
    return Clustering(
        labels=rank[final.members[inverse]],
        probabilities=membership_probabilities(levels[0].links, final.members)[inverse],
        peaks=peaks,
        levels=[_summary(level, inverse) for level in levels],
    )


def model_levels(
    embeddings: NDArray[np.float32],
    model: ClusteringModel,
    settings: ClusteringSettings,
    *,
    constraints: Constraints | None = None,
    link: Callable[[LevelGraph], Links] | None = None,
    neighbors: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
    random_state: int = 0,
) -> Iterator[Level]:
    """Run the level loop as a model's settings and the constraints on items say.

    See `hilander.hierarchy.levels.build_levels`.
    """
    decoder = get_decoder(settings.decode)

    def decode(links: Links, graph: LevelGraph) -> NDArray[np.int64]:
        floor = settings.first_threshold if graph.below is None else 0.0
        held = constraints
        if constraints is not None and graph.below is not None:
            held = constraints.on(graph.nodes.members)
        return decoder(links, max(settings.linkage_threshold, floor), graph.nodes.sizes, held)

    return build_levels(
        embeddings,
        link or model.link,
        decode,
        n_neighbors=settings.n_neighbors,
        max_levels=settings.max_levels,
        early_stop=settings.early_stop,
        search_features=settings.search_features,
        neighbors=neighbors,
        random_state=random_state,
    )


def distinct_rows(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first position of each distinct row, in the rows' own order, and each row's distinct one.

    Returns
    -------
    first : ndarray of shape (n_distinct,), int64
        ``embeddings[first]`` is the same array for any order of the same rows.
    inverse : ndarray of shape (n,), int64
        ``embeddings[first][inverse]`` equals `embeddings`.
    """
    rows = np.ascontiguousarray(embeddings) + np.float32(0)  # −0 equals 0 but has other bytes
    as_bytes = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, inverse = np.unique(as_bytes, return_index=True, return_inverse=True)
    return first, inverse


def membership_probabilities(links: Links, members: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return how sure the model is of each item's cluster, from the links of level 0.

    Parameters
    ----------
    links : Links
        Of level 0.
    members : ndarray of shape (n,), int64
        Final cluster of each item.

    Returns
    -------
    ndarray of shape (n,), float32
        Within [0, 1].
    """
    n = len(members)
    ends = np.concatenate([links.source, links.target])
    linkage = np.concatenate([links.linkage, links.linkage]).astype(np.float64)
    same = np.tile(members[links.source] == members[links.target], 2)
    within = np.bincount(ends[same], linkage[same], n)
    count = np.bincount(ends[same], minlength=n)
    likeliest = np.zeros(n)
    np.maximum.at(likeliest, ends, linkage)
    return np.where(count > 0, within / np.maximum(count, 1), 1 - likeliest).astype(np.float32)


def _rank_by_size(labels: NDArray[np.int64], peaks: NDArray[np.int64]) -> NDArray[np.int64]:
    """New number of each cluster: larger first, then by its peak's position."""
    rank = np.empty(len(peaks), np.int64)
    rank[np.lexsort((peaks, -np.bincount(labels, minlength=len(peaks))))] = np.arange(len(peaks))
    return rank


def _summary(level: Level, inverse: NDArray[np.int64]) -> LevelSummary:
    return LevelSummary(level.n_nodes, level.n_edges, level.n_clusters, level.merged.members[inverse])
