"""A model that tells what it is at, for clusterings that somebody waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from hilander.hierarchy.decode import Links
from hilander.hierarchy.levels import LevelGraph
from hilander.models.clustering_model import ClusteringModel

_ITEMS, _CLUSTERS = 0.3, 0.8  # shares of the time that are over when items, and when clusters, are linked


@dataclass
class ReportingModel(ClusteringModel):
    """Links as another model does, and says so first.

    Attributes
    ----------
    model : ClusteringModel
    report : callable
        Takes a step in words and the share of the time that is over.
    """

    model: ClusteringModel = field(kw_only=True)
    report: Callable[[str, float], None] = field(kw_only=True)
    variant: ClassVar[str] = "reporting"

    @classmethod
    def around(cls, model: ClusteringModel | None, report: Callable[[str, float], None]) -> ReportingModel:
        """Wrap a model, with its own settings."""
        if model is None:
            raise ValueError("there is no model to report on")
        return cls(model.settings, model.n_features, model.provenance, model=model, report=report)

    def link(self, graph: LevelGraph) -> Links:
        """Report, and link one level."""
        return self.linker()(graph)

    def linker(self) -> Callable[[LevelGraph], Links]:
        """Return the model's own, which reports."""
        link = self.model.linker()

        def report_and_link(graph: LevelGraph) -> Links:
            n = len(graph.nodes)
            if graph.below is None:
                self.report(f"linking {n:,} items", _ITEMS)
            else:
                self.report(f"linking {n:,} clusters", _CLUSTERS)
            return link(graph)

        return report_and_link
