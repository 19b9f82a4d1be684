"""Small sets out of larger ones: a few of the classes, any or near ones, and some of their items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hilander.training.labelled_set import LabelledSet

_SIZES = (6, 200)
_FEWEST_CLASSES = 2
_ITEMS_PER_CLASS = 2  # on average, at least
_NEAREST = 4.0  # times as many classes are looked at as are taken, at most
_POWERS = (0.0, 0.5, 1.0, 2.0)  # of uniform shares: sizes are from equal to uneven
_LITTLE = 0.05


def parts_of(sets: Sequence[LabelledSet], n_parts: int, *, seed: int = 0) -> list[LabelledSet]:
    """Return up to so many parts of each set, of 6 to about 200 items.

    In a set of ten items every item is a neighbour of every other one, lists of neighbours end where the set does, and
    what is near or far is told by a handful of distances: a matter of its own, of which a few parts of each set show
    more than whole sets drawn that small.

    Parameters
    ----------
    sets : sequence of LabelledSet
    n_parts : int
    seed : int

    Returns
    -------
    list of LabelledSet
        Labels are 0..C-1 anew. Where a part comes out with fewer than 6 items, it is left out.
    """
    parts = []
    for i, each in enumerate(sets):
        rng = np.random.default_rng([seed, i])
        drawn = (_part(each, rng) for _ in range(n_parts))
        parts += [part for part in drawn if len(part.labels) >= _SIZES[0]]
    return parts


def _part(labelled: LabelledSet, rng: np.random.Generator) -> LabelledSet:
    labels = labelled.labels
    n = min(_between(*_SIZES, rng), len(labels))
    classes = _some_classes(labelled, _between(_FEWEST_CLASSES, max(n // _ITEMS_PER_CLASS, _FEWEST_CLASSES), rng), rng)
    shares = rng.random(len(classes)) ** rng.choice(_POWERS) + _LITTLE
    wanted = np.maximum(np.round(n * shares / shares.sum()), 1).astype(np.int64)
    kept = [
        rng.permutation(np.flatnonzero(labels == label))[:size] for label, size in zip(classes, wanted, strict=True)
    ]
    rows = np.sort(np.concatenate(kept))
    return LabelledSet(labelled.embeddings[rows], np.unique(labels[rows], return_inverse=True)[1])


def _some_classes(labelled: LabelledSet, n_classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw classes of any place or near one of them, all alike or large ones rather."""
    sizes = np.bincount(labelled.labels)
    n_classes = min(n_classes, len(sizes))
    pool = np.arange(len(sizes))
    if rng.random() < 0.5:
        sums = np.zeros((len(sizes), labelled.embeddings.shape[1]))
        np.add.at(sums, labelled.labels, labelled.embeddings)
        means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        by_nearness = np.argsort(-means @ means[rng.integers(len(sizes))])
        pool = by_nearness[: int(n_classes * rng.uniform(1, _NEAREST))]
    weights = sizes[pool] / sizes[pool].sum() if rng.random() < 0.7 else None
    return rng.choice(pool, n_classes, replace=False, p=weights)


def _between(low: int, high: int, rng: np.random.Generator) -> int:
    """Draw an integer, its logarithm uniform."""
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))
