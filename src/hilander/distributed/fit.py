"""Cluster embeddings that no process holds: features and linkage in parts, their merging in this process."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hilander.clustering import Clustering, cluster_nodes
from hilander.distributed.claim import claim
from hilander.distributed.connect import connected
from hilander.distributed.describe import NeighborhoodParts
from hilander.distributed.edges import EdgeParts, make_edges
from hilander.distributed.engine import DaskWorkers, Run, ThisProcess
from hilander.distributed.features import cluster_feature_parts, sum_features
from hilander.distributed.ingest import ROWS_PER_PART, ingest
from hilander.distributed.link import link_parts
from hilander.distributed.parts import Parts
from hilander.distributed.run_folder import opened_run_folder
from hilander.distributed.search import search
from hilander.distributed.source import Source, array_digest, from_array
from hilander.distributed.whiten import whitened_parts
from hilander.embeddings import as_real_matrix
from hilander.graph.relational_graph import RelationalGraph, forgotten
from hilander.graph.relations import N_CONTEXT
from hilander.hierarchy.constrained_rows import check_pairs, constrained_rows
from hilander.hierarchy.levels import LevelGraph
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings
from hilander.models.relational import LinkedGraph, RelationalLevels, RelationalModel
from hilander.nn.scatter import sum_at_ends

if TYPE_CHECKING:
    from distributed import Client


def fit_in_parts(
    X: ArrayLike | str | Path | Source,
    model: ClusteringModel,
    settings: ClusteringSettings,
    *,
    engine: Client | str | None = None,
    run_folder: str | Path | None = None,
    must_link: ArrayLike | None = None,
    cannot_link: ArrayLike | None = None,
    random_state: int = 0,
    show_progress: bool = False,
    **parameters: Any,
) -> tuple[Clustering, int]:
    """Open the input, the store and the engine, and cluster.

    Parameters
    ----------
    X : array-like of shape (n, d), or str, Path or Source
        Embeddings, or where they lie, see `hilander.distributed.source`; opened or not.
    model, settings
        As in `cluster_in_parts`.
    engine : distributed.Client or str, optional
        A client, or the address of a scheduler; this process by default.
    run_folder : str or Path, optional
        Path or URL of the store, which is kept; by default a temporary folder, which is not.
    must_link, cannot_link : array-like of shape (m, 2), optional
    random_state : int
    show_progress : bool
    **parameters
        Of `cluster_in_parts`.

    Returns
    -------
    Clustering
    int
        Width of the embeddings.

    Raises
    ------
    ValueError
        The model is not of the variant "hilander", the store holds another run, or as `cluster_embeddings` does.
    """
    if not isinstance(model, RelationalModel):
        raise ValueError(
            f"in parts, the model must be of the variant 'hilander', got {model.variant!r}; fit without `engine` and "
            "`run_folder`"
        )
    with ExitStack() as stack:
        store = stack.enter_context(opened_run_folder(run_folder))
        workers = ThisProcess() if engine is None else DaskWorkers(stack.enter_context(connected(engine)))
        opened = Source.open(X) if isinstance(X, str | Path) else X if isinstance(X, Source) else as_real_matrix(X)
        n, digest = (
            (opened.n_rows, opened.digest) if isinstance(opened, Source) else (len(opened), array_digest(opened))
        )
        joined, parted = check_pairs(must_link, n, name="must_link"), check_pairs(cannot_link, n, name="cannot_link")
        claimed = claim(store, digest, model, settings, random_state, ROWS_PER_PART)  # before an array is written there
        run = Run(claimed, workers, show_progress)
        source = opened if isinstance(opened, Source) else from_array(claimed, opened, digest)
        clustering = cluster_in_parts(
            run,
            source,
            model,
            settings,
            must_link=joined,
            cannot_link=parted,
            random_state=random_state,
            rows_per_part=ROWS_PER_PART,
            **parameters,
        )
        return clustering, source.width


def cluster_in_parts(
    run: Run,
    source: Source,
    model: RelationalModel,
    settings: ClusteringSettings,
    *,
    must_link: NDArray[np.int64] | None = None,
    cannot_link: NDArray[np.int64] | None = None,
    max_cluster_size: int | None = None,
    granularity: float = 1.0,
    random_state: int = 0,
    rows_per_part: int,
) -> Clustering:
    """Do what `hilander.clustering.cluster_embeddings` does, with the same result.

    Features stay in parts. This process holds a few numbers per row and edge (about 600 bytes per row), and of the
    second level, where clusters are nodes, all there is. `Clustering.nodes` is empty.

    Parameters
    ----------
    run : Run
    source : Source
        The embeddings.
    model : RelationalModel
    settings, must_link, cannot_link, max_cluster_size, granularity, random_state
        As in `hilander.clustering.cluster_embeddings`.
    rows_per_part : int
        Nodes of a part.

    Raises
    ------
    ValueError
        As `cluster_embeddings` does.
    """
    found = ingest(run, source, model.n_features, rows_per_part=rows_per_part)
    first, inverse, constraints = found.first, found.inverse, None
    if max_cluster_size is not None or any(pairs is not None and len(pairs) for pairs in (must_link, cannot_link)):
        none = np.empty((0, 2), np.int64)
        apart, inverse, constraints = constrained_rows(
            inverse,
            none if must_link is None else must_link,
            none if cannot_link is None else cannot_link,
            max_cluster_size,
        )
        if len(apart) > len(first):
            raise ValueError(
                "in parts, constraints must let equal rows share a cluster, but these part some; fit without `engine` "
                "and `run_folder`, where they are honoured"
            )
    features, whitening = whitened_parts(run, found.features, model, settings)
    levels = _Levels(run, model, features, settings.n_neighbors, random_state)
    n = len(first)
    clustering = cluster_nodes(
        np.empty((n, 0), np.float32) if n >= model.fewest_items else features.all(),
        first,
        inverse,
        model,
        settings,
        constraints=constraints,
        link=levels.link,
        neighbors=(np.empty((n, 0), np.int64), np.empty((n, 0), np.float32)),
        granularity=granularity,
        random_state=random_state,
        show_progress=run.show_progress,
    )
    return replace(clustering, whitening=whitening)


class _Levels(RelationalLevels):
    """`RelationalLevels` on features in parts."""

    def __init__(self, run: Run, model: RelationalModel, features: Parts, n_neighbors: int, random_state: int) -> None:
        super().__init__(model.landers.to("cpu"))
        self._run, self._network, self._features = run, model.landers.items.eval(), features
        self._n_neighbors, self._random_state = n_neighbors, random_state
        self._linked: EdgeParts | None = None
        self._cluster_features: Parts | None = None

    def link_items(self, graph: LevelGraph) -> LinkedGraph:
        """Link the items of level 0."""
        run, network = self._run, self._network
        identity = self._described("identity", self._features)
        first = make_edges(run, "first", identity.neighbors)
        link_parts(run, network, first, identity)
        cluster = self._described("cluster", cluster_feature_parts(run, first, self._features, "cluster"))
        second = make_edges(run, "second", identity.neighbors, cluster.neighbors)
        link_parts(run, network, second, identity, cluster, first)
        self._linked = second
        return _gathered(second)

    def in_context(self, found: LinkedGraph) -> LinkedGraph:
        """Correct the linkage in this process, which holds all of it, and tell the parts."""
        corrected, graph, name = super().in_context(found), self._linked, "linkage"
        assert graph is not None
        if corrected is not found:
            name = "linkage_in_context"
            start = 0
            for part in range(len(graph)):
                of_part = corrected.linkage[start : start + len(graph.edges(part))]
                graph.array(name).write(part, of_part)
                graph.tell(part, f"told_{name}", of_part)
                start += len(of_part)
        self._cluster_features = cluster_feature_parts(self._run, graph, self._features, "mates", linkage=name)
        return corrected

    def sum_items(
        self, graph: LevelGraph, edges: NDArray[np.int64], linkage: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the sums of the embeddings, and of the cluster features, of the items of each node (C, d)."""
        assert self._cluster_features is not None
        members = graph.nodes.members
        told = hashlib.sha256(members.tobytes()).hexdigest()[:12]  # others, of another threshold, are summed anew
        identity, cluster = (
            sum_features(self._run, f"{features.name}_{told}", features, members)
            for features in (self._features, self._cluster_features)
        )
        return identity, cluster

    def _described(self, name: str, features: Parts) -> NeighborhoodParts:
        k, seed = (self._n_neighbors, self._random_state) if name == "identity" else (N_CONTEXT, 0)
        return NeighborhoodParts(features, *search(self._run, name, features, k, seed))


def _gathered(graph: EdgeParts) -> LinkedGraph:
    """All edges and their linkage; a graph without features."""
    parts = range(len(graph))
    edges = np.concatenate([graph.edges(part) for part in parts])
    linkage, affinity = (
        np.concatenate([graph.array(name).read(part) for part in parts]) for name in ("linkage", "affinity")
    )
    n = int(graph.bounds[-1])
    degrees = np.bincount(edges.ravel(), minlength=n).astype(np.float32)
    signed = torch.from_numpy(affinity) * (2 * torch.from_numpy(linkage) - 1)
    density = sum_at_ends(signed[:, None], torch.from_numpy(edges), n)
    density /= torch.from_numpy(degrees)[:, None].clamp(min=1)
    whole = RelationalGraph(edges, forgotten, degrees, np.ones(n, np.int64))
    return LinkedGraph(whole, linkage, density[:, 0].numpy())
