"""Every kind of model by the name of its variant."""

from __future__ import annotations

from hilander.models.clustering_model import ClusteringModel
from hilander.models.published import PublishedModel
from hilander.models.relational import RelationalModel
from hilander.models.similarity import SimilarityModel

_KINDS: tuple[type[ClusteringModel], ...] = (SimilarityModel, PublishedModel, RelationalModel)
MODELS = {kind.variant: kind for kind in _KINDS}
