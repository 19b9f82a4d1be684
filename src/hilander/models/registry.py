"""Every kind of model by the name of its variant."""

from __future__ import annotations

from hilander.models.clustering_model import ClusteringModel
from hilander.models.published import PublishedModel
from hilander.models.similarity import SimilarityModel

MODELS: dict[str, type[ClusteringModel]] = {model.variant: model for model in (SimilarityModel, PublishedModel)}
