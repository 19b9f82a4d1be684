"""What one method made of the test embeddings: one row of every table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.metrics import score

TITLES = {
    "hilander": "hilander",
    "published": "Hi-LANDER as published",
    "kmeans": "k-means, true K given",
    "hac_average": "HAC, average linkage",
    "hac_ward": "HAC, Ward linkage",
    "dbscan": "DBSCAN",
    "hdbscan": "HDBSCAN",
    "connected_components": "Connected components",
    "chinese_whispers": "Chinese Whispers",
    "finch": "FINCH",
    "leiden": "Leiden (CPM)",
    "infomap": "Infomap",
    "ceiling": "Ceiling: nearest class mean",
}


@dataclass(frozen=True)
class MethodResult:
    """What one method made of the test embeddings.

    Attributes
    ----------
    name : str
        As in files: ``"hilander"``, ``"hac_ward"``.
    metrics : dict of str to float
        As `hilander.metrics.score` gives them; empty where the method did not run.
    labels : ndarray of shape (n,), int64, or None
        Cluster of each item, -1 is noise.
    parameters : dict
        The chosen setting.
    seconds : float
        Wall time of clustering the test embeddings with the chosen setting; neighbour search apart for methods that
        take the shared kNN graph.
    tuning : list of dict
        Every setting tried on the training classes with its ``f_pairwise`` and ``f_bcubed``.
    tuning_seconds : float
        Wall time of trying them.
    reason : str
        Why there are no metrics, or empty.
    """

    name: str
    metrics: dict[str, float] = field(default_factory=dict)
    labels: NDArray[np.int64] | None = None
    parameters: dict[str, float | str] = field(default_factory=dict)
    seconds: float = 0.0
    tuning: list[dict[str, float | str]] = field(default_factory=list)
    tuning_seconds: float = 0.0
    reason: str = ""

    @classmethod
    def from_labels(
        cls, name: str, labels_true: NDArray, labels: NDArray[np.int64], *, seconds: float = 0.0, **others: Any
    ) -> MethodResult:
        """Score predicted labels."""
        return cls(name, metrics=score(labels_true, labels), labels=labels, seconds=seconds, **others)

    @property
    def title(self) -> str:
        """Name for people: ``"HAC, Ward linkage"``."""
        return TITLES.get(self.name, self.name)

    @property
    def short_title(self) -> str:
        """Title for crowded places: ``"Ceiling"``, ``"k-means"``."""
        return self.title.split(":")[0].removesuffix(", true K given").removesuffix(" linkage")

    @property
    def is_ceiling(self) -> bool:
        """True for the row that reads the true classes: a bound, with which no method competes."""
        return self.name == "ceiling"
