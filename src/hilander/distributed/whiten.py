"""Embeddings in parts, whitened by what some of them teach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.distributed.engine import Run
from hilander.distributed.store import Parts
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings
from hilander.set_whitening import learn_whitening, rows_to_learn_from
from hilander.whitening import Whitening


def whitened_parts(
    run: Run, features: Parts, model: ClusteringModel, settings: ClusteringSettings
) -> tuple[Parts, Whitening | None]:
    """Write whitened embeddings in the place of `features`; where nothing is whitened, return these.

    Whitening is learned in this process, from the same rows as in `hilander.clustering.cluster_embeddings`.

    Parameters
    ----------
    run : Run
    features : Parts
        Nodes' embeddings (n, d), float32, L2-normalised.
    model : ClusteringModel
    settings : ClusteringSettings

    Returns
    -------
    Parts
    Whitening or None
    """

    def learn() -> NDArray[np.float32]:
        rows = rows_to_learn_from(int(features.bounds[-1]))
        learned = learn_whitening(np.asarray(features.take(rows)), model, settings)
        return np.empty((0, 0), np.float32) if learned is None else np.vstack([learned.mean, learned.transform])

    if settings.whitening == 0:
        return features, None
    learned = np.array(run.store.kept("nodes/whitening", learn))
    if not len(learned):
        return features, None
    whitening, whitened = Whitening(learned[0], learned[1:]), features.named("whitened")
    run.step("whitened", _whiten, [(features, whitened, whitening, part) for part in range(len(features))])
    run.store.remove(features.name)
    return whitened, whitening


def _whiten(features: Parts, whitened: Parts, whitening: Whitening, part: int) -> None:
    whitened.write(part, whitening(np.asarray(features.read(part))))
