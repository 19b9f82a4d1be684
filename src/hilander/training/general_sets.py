"""What the general model learns from: drawn embeddings, and a real set as it is and in variants."""

from __future__ import annotations

import numpy as np

from hilander.data.synthetic_embeddings import draw_embeddings
from hilander.embeddings import check_embeddings
from hilander.training.labelled_set import LabelledSet, thinned

WIDTHS = (32, 64, 128, 256, 512, 1024)
SIZES = (60, 200, 600, 2_000, 8_000)


def general_sets(real: LabelledSet | None = None, *, seed: int = 0) -> list[LabelledSet]:
    """Return 30 drawn sets, and the real one with eight variants where one is given."""
    return drawn_sets(seed=seed) + ([] if real is None else [real, *variants(real, 8, seed=seed)])


def drawn_sets(n_draws: int = 30, *, seed: int = 0) -> list[LabelledSet]:
    """Drawn embeddings of all `WIDTHS` and `SIZES`; 30 draws hold every pair of them once."""
    return [
        LabelledSet(*draw_embeddings(SIZES[i % len(SIZES)], WIDTHS[i % len(WIDTHS)], seed=seed + i))
        for i in range(n_draws)
    ]


def variants(real: LabelledSet, n_variants: int, *, seed: int = 0) -> list[LabelledSet]:
    """Other sets from a real one: part of its classes, unevenly thinned, projected to all `WIDTHS`, with noise."""
    others = []
    for i in range(n_variants):
        rng = np.random.default_rng(seed + i)
        width, d = WIDTHS[i % len(WIDTHS)], real.embeddings.shape[1]
        part = thinned(real, seed=seed + i)
        n_classes = int(part.labels.max()) + 1
        kept = np.isin(part.labels, np.flatnonzero(rng.random(n_classes) < rng.uniform(0.3, 1.0)))
        projected = part.embeddings[kept] @ rng.normal(size=(d, width)) / np.sqrt(width)
        noise = rng.uniform(0, 0.6) * rng.normal(size=projected.shape) / np.sqrt(width)
        labels = np.unique(part.labels[kept], return_inverse=True)[1]
        others.append(LabelledSet(check_embeddings(projected + noise), labels))
    return others
