"""Train the general model, which clusters any embeddings: ``make general-model``.

``python -m hilander.training.general OUT_FOLDER [EMBEDDINGS.npy LABELS.parquet]`` learns from drawn embeddings of many
kinds and widths and, where given, from real ones.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hilander.config import RelationalParams
from hilander.data.synthetic_embeddings import draw_embeddings
from hilander.embeddings import check_embeddings, check_labels
from hilander.models.clustering_model import ClusteringModel
from hilander.training.relational import LabelledSet, fit_relational
from hilander.training.threshold import ThresholdChoice, choose_threshold, with_threshold

logger = logging.getLogger(__name__)

WIDTHS = (32, 64, 128, 256, 512, 1024)
SIZES = (600, 2_000, 5_000, 8_000)
PARAMS = RelationalParams(n_item_steps=500, n_cluster_steps=200, n_cores=4)


def general_sets(n_draws: int = 12, *, seed: int = 0) -> list[LabelledSet]:
    """Drawn embeddings of all `WIDTHS` and `SIZES` by turns."""
    return [
        LabelledSet(*draw_embeddings(SIZES[i % len(SIZES)], WIDTHS[i % len(WIDTHS)], seed=seed + i))
        for i in range(n_draws)
    ]


def real_variants(real: LabelledSet, n_variants: int = 8, *, seed: int = 0) -> list[LabelledSet]:
    """Other sets from a real one: part of its classes, unevenly thinned, projected to all `WIDTHS`, with noise."""
    variants = []
    for i in range(n_variants):
        rng = np.random.default_rng(seed + i)
        width, d = WIDTHS[i % len(WIDTHS)], real.embeddings.shape[1]
        n_classes = int(real.labels.max()) + 1
        share = rng.beta(1.5, 1, n_classes) * (rng.random(n_classes) < rng.uniform(0.3, 1.0))  # that is kept of a class
        kept = np.flatnonzero(rng.random(len(real.labels)) < share[real.labels])
        projected = real.embeddings[kept] @ rng.normal(size=(d, width)) / np.sqrt(width)
        noise = rng.uniform(0, 0.6) * rng.normal(size=projected.shape) / np.sqrt(width)
        labels = np.unique(real.labels[kept], return_inverse=True)[1]
        variants.append(LabelledSet(check_embeddings(projected + noise), labels))
    return variants


def train_general(
    sets: Sequence[LabelledSet],
    params: RelationalParams = PARAMS,
    *,
    random_state: int = 0,
    show_progress: bool = False,
) -> ClusteringModel:
    """Train one model on all sets, and choose the one linkage threshold that is best on average over them."""
    model, history = fit_relational(sets, params, random_state=random_state, show_progress=show_progress)
    tables = [choose_threshold(model, each.embeddings, each.labels, random_state=random_state).table for each in sets]
    rows = [
        {"threshold": same[0]["threshold"]}
        | {name: float(np.mean([row[name] for row in same])) for name in ("f_pairwise", "f_bcubed")}
        for same in zip(*tables, strict=True)
    ]
    best = max(rows, key=lambda row: row["f_pairwise"] + row["f_bcubed"])
    model.provenance |= {
        "trained_on": {
            "sets": len(sets),
            "items": sum(len(each.labels) for each in sets),
            "classes": sum(len(np.unique(each.labels)) for each in sets),
        },
        "thresholds": rows,
    }
    logger.info("general model: %s, last loss %.3f", best, history[-1]["loss_linkage"])
    return with_threshold(model, ThresholdChoice(best["threshold"], rows))


def main(arguments: Sequence[str]) -> None:
    """Train on drawn sets, and on the real one that is named, and save."""
    folder, *real = arguments
    sets = general_sets()
    if real:
        embeddings = check_embeddings(np.load(real[0], allow_pickle=False))
        labels = check_labels(pd.read_parquet(real[1], columns=["label"])["label"].to_numpy(), len(embeddings))
        real_set = LabelledSet(embeddings, labels)
        sets += [real_set, *real_variants(real_set)]
    train_general(sets, show_progress=True).save(Path(folder))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:])
