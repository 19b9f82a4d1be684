"""The interface of everything that can link the nodes of a level, and the settings that a trained one carries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from hilander.hierarchy.decode import Links
from hilander.hierarchy.levels import MAX_LEVELS, LevelGraph
from hilander.models.attachment import Attachment, NeighborhoodGraph


@dataclass(frozen=True)
class ClusteringSettings:
    """How a model's predictions become clusters; chosen in training, saved with the model.

    Attributes
    ----------
    n_neighbors : int
        k of every level's graph.
    linkage_threshold : float
        p_τ, within [0, 1]: higher gives finer clusters.
    decode : str
        Name of a decoder of `hilander.hierarchy.decoders`.
    max_levels : int
        L.
    early_stop : bool
        The published third stop rule.
    search_features : str
        What the neighbours of upper levels are searched by: "identity", "cluster" or "none".
    first_threshold : float
        All levels but the last merge no further than this, also where p_τ is lower: what is less certain is left to
        the last one, which sees whole clusters.
    adapt_threshold : bool
        Choose p_τ anew for the data at hand, see `hilander.linkage_threshold`; `linkage_threshold` then holds only
        where nothing is clustered.
    whitening : float
        Whiten what is clustered by its own likely pairs first, with at least this shrinkage, within (0, 1], see
        `hilander.set_whitening`; 0 leaves embeddings as they are.
    """

    n_neighbors: int = 10
    linkage_threshold: float = 0.5
    decode: str = "tree"
    max_levels: int = MAX_LEVELS
    early_stop: bool = False
    search_features: str = "identity"
    first_threshold: float = 0.0
    adapt_threshold: bool = False
    whitening: float = 0.0


@dataclass
class ClusteringModel(ABC):
    """Links the nodes of any level.

    Attributes
    ----------
    settings : ClusteringSettings
    n_features : int or None
        Width of the embeddings that the model was trained on; None where any width will do.
    provenance : dict
        What the model was trained on and how it did there, for the model card.
    """

    settings: ClusteringSettings = field(default_factory=ClusteringSettings)
    n_features: int | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    variant: ClassVar[str]
    fewest_items: ClassVar[int] = 2  # in a set of fewer the similarity decides

    @classmethod
    def build(cls, architecture: dict[str, Any], *, device: str = "auto", **common: Any) -> ClusteringModel:
        """Make an untrained model from its `architecture` and the attributes that all models have."""
        return cls(**common, **architecture)

    @abstractmethod
    def link(self, graph: LevelGraph) -> Links:
        """Predict linkage and density on one level."""

    def linker(self) -> Callable[[LevelGraph], Links]:
        """Return a `link` for the levels of one clustering, which may keep what several of them need."""
        return self.link

    def attach(self, embeddings: NDArray[np.float32], n_neighbors: int) -> Attachment:
        """Return what links new points to these fitted ones, (n, d) float32, distinct rows of norm 1; n >= 2."""
        return NeighborhoodGraph(self, embeddings, n_neighbors)

    def network(self) -> nn.Module | None:
        """The learned part, whose weights are saved; None where nothing is learned."""
        return None

    def architecture(self) -> dict[str, Any]:
        """Arguments that build `network` anew."""
        return {}

    def save(self, folder: str | Path) -> Path:
        """Write the model folder: config.json, model.safetensors, README.md. See `hilander.models.persistence`."""
        from hilander.models.persistence import save_model  # which itself builds models

        return save_model(self, folder)
