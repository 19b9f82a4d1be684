"""Embeddings in parts, whitened by what some of them teach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.distributed.engine import Run
from hilander.distributed.parts import Parts
from hilander.distributed.store import Store
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings
from hilander.set_whitening import learn_whitening, rows_to_learn_from
from hilander.whitening import Whitening

_LEARNED = "nodes/whitening"


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
    if not len(run.store.kept(_LEARNED, learn)):
        return features, None
    whitened = features.named("whitened")
    run.step("whitened", _whiten, [(features, whitened, part) for part in range(len(features))])
    run.store.remove(features.name)
    return whitened, _learned(run.store)


def _whiten(features: Parts, whitened: Parts, part: int) -> None:
    whitened.write(part, _learned(features.store)(np.asarray(features.read(part))))


def _learned(store: Store) -> Whitening:
    """What was learned, which is read by every part: sent with each, it would burden the scheduler with d² numbers."""
    learned = np.array(store.read(_LEARNED))
    return Whitening(learned[0], learned[1:])
