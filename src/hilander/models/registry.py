"""Every kind of model by the name of its variant."""

from __future__ import annotations

from hilander.models.clustering_model import ClusteringModel
from hilander.models.relational import RelationalModel
from hilander.models.similarity import SimilarityModel

VARIANTS = (SimilarityModel.variant, "published", RelationalModel.variant)


def model_class(variant: str) -> type[ClusteringModel]:
    """Return the class of a variant's models.

    Parameters
    ----------
    variant : str
        One of `VARIANTS`.

    Raises
    ------
    KeyError
        No such variant.
    """
    if variant == "published":
        from hilander.models.published import PublishedModel  # DGL, which it alone needs, takes a second to load

        return PublishedModel
    return {kind.variant: kind for kind in (SimilarityModel, RelationalModel)}[variant]
