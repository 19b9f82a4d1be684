"""How the model in service sees a window: how surely it links the rows, how dense they lie, how they cluster."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.graph.distinct_rows import distinct_rows
from hilander.model_levels import model_levels
from hilander.models.clustering_model import ClusteringModel


def model_scalars(embeddings: NDArray[np.float32], model: ClusteringModel) -> pd.DataFrame:
    """Return linkage, density and cluster size of each row.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised.
    model : ClusteringModel

    Returns
    -------
    DataFrame of n rows
        ``linkage``: the likeliest link of the row; ``density``: predicted; ``cluster_size``: log2 of the rows in
        its cluster; ``singleton``: 1 where it stands alone.
    """
    first, inverse = distinct_rows(embeddings)
    levels = list(model_levels(embeddings[first], model, model.settings))
    if not levels:
        n = len(embeddings)
        return pd.DataFrame({"linkage": 0.0, "density": 0.0, "cluster_size": np.log2(n), "singleton": 0.0}, range(n))
    links, members = levels[0].links, levels[-1].merged.members
    linkage = np.zeros(len(first))
    np.maximum.at(linkage, links.source, links.linkage)
    np.maximum.at(linkage, links.target, links.linkage)
    size = np.bincount(members[inverse])[members]
    columns = {"linkage": linkage, "density": links.density, "cluster_size": np.log2(size), "singleton": size == 1}
    return pd.DataFrame({name: np.asarray(values, np.float64)[inverse] for name, values in columns.items()})
