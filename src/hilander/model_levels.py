"""The level loop as a model and its settings run it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from hilander.hierarchy.constraints import Constraints
from hilander.hierarchy.decode import Links
from hilander.hierarchy.decoders import get_decoder
from hilander.hierarchy.levels import Level, LevelGraph, build_levels
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings

_WORTH_A_LEVEL = 0.01  # share of the nodes that has to find a parent, or the level is the last one


def model_levels(
    embeddings: NDArray[np.float32],
    model: ClusteringModel,
    settings: ClusteringSettings,
    *,
    constraints: Constraints | None = None,
    link: Callable[[LevelGraph], Links] | None = None,
    neighbors: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
    random_state: int = 0,
    show_progress: bool = False,
) -> Iterator[Level]:
    """Run the level loop as a model's settings and the constraints on items say.

    Where the linkage threshold is below `ClusteringSettings.first_threshold`, levels merge down to the latter until
    hardly anything is left to merge, and the last one down to the former. See `hilander.hierarchy.levels.build_levels`.
    """
    decoder = get_decoder(settings.decode)
    finished = False

    def decode(links: Links, graph: LevelGraph) -> NDArray[np.int64]:
        nonlocal finished
        held = constraints
        if constraints is not None and graph.below is not None:
            held = constraints.on(graph.nodes.members)
        threshold = settings.linkage_threshold
        if threshold < settings.first_threshold and graph.number < settings.max_levels - 1:
            parents = decoder(links, settings.first_threshold, graph.nodes.sizes, held)
            if np.mean(parents != np.arange(len(parents))) >= _WORTH_A_LEVEL:
                return parents
            finished = True
        return decoder(links, threshold, graph.nodes.sizes, held)

    for level in build_levels(
        embeddings,
        link or model.linker(),
        decode,
        n_neighbors=settings.n_neighbors,
        max_levels=settings.max_levels,
        early_stop=settings.early_stop,
        search_features=settings.search_features,
        neighbors=neighbors,
        random_state=random_state,
        show_progress=show_progress,
    ):
        yield level
        hardly_merged = settings.first_threshold > 0 and level.n_edges < _WORTH_A_LEVEL * level.n_nodes
        if finished or hardly_merged:
            return


def remembered(link: Callable[[LevelGraph], Links]) -> Callable[[LevelGraph], Links]:
    """Return a `link` that predicts each set of nodes once, for several runs over the same items."""
    links: dict[bytes, Links] = {}

    def link_once(graph: LevelGraph) -> Links:
        key = hashlib.sha256(graph.nodes.members.tobytes()).digest()
        if key not in links:
            links[key] = link(graph)
        return links[key]

    return link_once
