"""The published Hi-LANDER: raw features into one LANDER, tree decode."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from hilander.graph.in_edges import edges_of_lists
from hilander.hierarchy.decode import Links
from hilander.hierarchy.levels import LevelGraph
from hilander.hierarchy.next_level import Nodes
from hilander.models.clustering_model import ClusteringModel
from hilander.nn.device import resolve_device
from hilander.nn.lander import Lander


@dataclass
class PublishedModel(ClusteringModel):
    """A LANDER on identity and cluster features (Xing et al. 2021).

    Attributes
    ----------
    lander : Lander
    use_cluster_features : bool
        Input ``[f_i ; c_i]``, as published, rather than f_i alone.
    lander_arguments : dict
        What `lander` was built from.
    device : str
        "auto", "cpu" or "cuda".
    """

    lander: Lander = field(kw_only=True)
    lander_arguments: dict[str, Any] = field(kw_only=True)
    use_cluster_features: bool = True
    device: str = "auto"

    variant: ClassVar[str] = "published"

    @classmethod
    def build(cls, architecture: dict[str, Any], *, device: str = "auto", **common: Any) -> PublishedModel:
        """Make an untrained model from its `architecture`."""
        arguments = dict(architecture)
        use_cluster_features = arguments.pop("use_cluster_features")
        return cls(
            **common,
            lander=Lander(**arguments),
            lander_arguments=arguments,
            use_cluster_features=use_cluster_features,
            device=device,
        )

    def link(self, graph: LevelGraph) -> Links:
        """Run the network over the level's whole graph."""
        device = resolve_device(self.device)
        edges = edges_of_lists(graph.neighbors, graph.similarities).to(device)
        features = torch.from_numpy(node_features(graph.nodes, self.use_cluster_features)).to(device)
        linkage, density = self.lander.to(device).predict(edges, features, show_progress=graph.show_progress)
        return Links(
            source=edges.sources.cpu().numpy(),
            target=edges.destinations.cpu().numpy(),
            linkage=linkage.cpu().numpy(),
            density=density.cpu().numpy(),
        )

    def network(self) -> Lander:
        """The LANDER."""
        return self.lander

    def architecture(self) -> dict[str, Any]:
        """Arguments of `Lander`, and which features it takes."""
        return {**self.lander_arguments, "use_cluster_features": self.use_cluster_features}


def node_features(nodes: Nodes, use_cluster_features: bool = True) -> np.ndarray:
    """Return ``[f_i ; c_i]``, (n_nodes, 2 d) float32, or f_i alone."""
    if not use_cluster_features:
        return nodes.features
    return np.concatenate([nodes.features, nodes.cluster_features], axis=1)
