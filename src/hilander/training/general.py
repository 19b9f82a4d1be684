"""Train the general model, which clusters any embeddings: ``make general-model``.

``python -m hilander.training.general OUT_FOLDER [EMBEDDINGS.npy LABELS.parquet]`` learns from drawn sets of many
kinds and widths and, where given, from real ones.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from hilander.config import RelationalParams
from hilander.embeddings import check_embeddings, check_labels
from hilander.model_folder import check_model_folder
from hilander.models.clustering_model import ClusteringModel
from hilander.training.general_sets import SIZES, WIDTHS, general_sets, sets_for_clusters, sets_for_context
from hilander.training.labelled_set import LabelledSet
from hilander.training.parts import parts_of
from hilander.training.relational import fit_relational
from hilander.training.threshold import choose_threshold_for_all, with_threshold

logger = logging.getLogger(__name__)

PARAMS = RelationalParams(n_item_steps=3000, n_cluster_steps=1200, n_starter_steps=200, n_projected=0, n_cores=2)

N_PARTS = 3  # small ones, of each set
WHITENING = 0.3  # least shrinkage

_SETS_PER_JUDGED = 5  # of many sets a fifth chooses the threshold; no factor of the numbers of widths and sizes


def train_general(
    sets: Sequence[LabelledSet],
    params: RelationalParams = PARAMS,
    *,
    cluster_sets: Sequence[LabelledSet] | None = None,
    context_sets: Sequence[LabelledSet] | None = None,
    n_parts: int = N_PARTS,
    random_state: int = 0,
    show_progress: bool = False,
) -> ClusteringModel:
    """Train one model on all sets and on small parts of them, which adapts to what it clusters.

    It whitens a set by the set's own likely pairs, and chooses the linkage threshold anew; it learns from sets as they
    are.

    Where nothing is clustered, as when points are assigned, the threshold holds that is best on average over the sets,
    of many over a fifth of them.

    Parameters
    ----------
    sets : sequence of LabelledSet
        Of any widths.
    params : RelationalParams
    cluster_sets, context_sets : sequences of LabelledSet, optional
        What the networks that link clusters and correct the linkage learn from, see
        `hilander.training.relational.fit_relational`.
    n_parts : int
        Small parts of each set, see `hilander.training.parts.parts_of`.
    random_state : int
    show_progress : bool
    """

    def with_parts(group: Sequence[LabelledSet]) -> list[LabelledSet]:
        return [*group, *parts_of(group, n_parts)]

    model, history = fit_relational(
        with_parts(sets),
        params,
        cluster_sets=None if cluster_sets is None else with_parts(cluster_sets),
        context_sets=None if context_sets is None else with_parts(context_sets),
        random_state=random_state,
        mixed=True,
        show_progress=show_progress,
    )
    judged = sets[:: _SETS_PER_JUDGED if len(sets) > len(WIDTHS) * len(SIZES) else 1]
    choice = choose_threshold_for_all(model, judged, random_state=random_state)
    model.provenance |= {
        "trained_on": {
            "sets": len(sets),
            "items": sum(len(each.labels) for each in sets),
            "classes": sum(len(np.unique(each.labels)) for each in sets),
        },
        "thresholds": choice.table,
    }
    logger.info("general model: threshold %.2f, last loss %.3f", choice.threshold, history[-1]["loss_linkage"])
    chosen = with_threshold(model, choice)
    return replace(chosen, settings=replace(chosen.settings, adapt_threshold=True, whitening=WHITENING))


def main(arguments: Sequence[str]) -> None:
    """Train on drawn sets, and on the real one that is named, and save."""
    folder, *real = arguments
    check_model_folder(Path(folder))  # before an hour of training
    real_set = None
    if real:
        embeddings = check_embeddings(np.load(real[0], allow_pickle=False))
        labels = check_labels(pd.read_parquet(real[1], columns=["label"])["label"].to_numpy(), len(embeddings))
        real_set = LabelledSet(embeddings, labels)
    sets = general_sets(real_set, show_progress=True)
    context_sets = sets_for_context(sets, show_progress=True)
    model = train_general(
        sets, cluster_sets=sets_for_clusters(context_sets), context_sets=context_sets, show_progress=True
    )
    model.save(Path(folder))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    main(sys.argv[1:])
