"""The general model, which ships in the package and clusters embeddings of any kind and width."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hilander.models.clustering_model import ClusteringModel
from hilander.models.persistence import load_model

FOLDER = Path(__file__).parents[1] / "pretrained" / "general"  # written by `make general-model`


@cache
def general_model() -> ClusteringModel:
    """Return the model that `HiLander()` clusters with: learned from drawn embeddings of many kinds and from glyphs.

    It has seen 60 to 8,000 items of 32 to 1,024 columns at a time. One that is trained on classes of the domain at
    hand is better where there are labels for it.

    Examples
    --------
    >>> model = general_model()
    >>> model.variant, model.n_features  # any width will do
    ('hilander', None)
    """
    return load_model(FOLDER)
