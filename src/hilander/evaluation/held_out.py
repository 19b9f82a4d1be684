"""How good a model will be on classes that it has not learned from, told by labelled classes that are held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hilander.config import PublishedParams, RelationalParams
from hilander.data.splits import split_classes
from hilander.embeddings import check_embeddings, check_labels
from hilander.estimator import HiLander
from hilander.metrics import score
from hilander.training.train_lander import train_lander

_HELD_OUT_SHARE = 0.5
_FEWEST_CLASSES = 4


@dataclass(frozen=True)
class HeldOutScores:
    """Scores on held-out classes of a model of the others, and of the general model in the package.

    Attributes
    ----------
    n_learned, n_held_out : int
        Classes learned from, and clustered.
    trained, general : dict of str to float
        As from `hilander.metrics.score`.
    """

    n_learned: int
    n_held_out: int
    trained: dict[str, float]
    general: dict[str, float]


def score_on_held_out_classes(
    embeddings: ArrayLike,
    labels: ArrayLike,
    *,
    variant: str = "hilander",
    params: RelationalParams | PublishedParams | None = None,
    random_state: int = 0,
    device: str = "auto",
    show_progress: bool = False,
) -> HeldOutScores:
    """Learn from half of the classes, and cluster the other half by that model and by the general one.

    A model of all classes has learned from twice as many, so it will rather be better than this one. Where the encoder
    of the embeddings has learned from these very classes, both halves are tighter than classes that are new to it as
    well: then the scores are too high.

    Parameters
    ----------
    embeddings : array-like of shape (n, d)
        Finite, non-zero rows, n >= 2.
    labels : array-like of shape (n,)
        Integers or strings.
    variant, params, random_state, device, show_progress
        As in `hilander.train_lander`.

    Raises
    ------
    ValueError
        There are fewer than four classes, no two items of the half that is learned from share a class, or as
        `train_lander` says.
    """
    checked = check_embeddings(embeddings, min_rows=2)
    classes = check_labels(labels, len(checked))
    n_classes = int(classes.max()) + 1
    if n_classes < _FEWEST_CLASSES:
        raise ValueError(f"to hold classes out takes at least {_FEWEST_CLASSES} of them, got {n_classes}")
    held_out = split_classes(classes, _HELD_OUT_SHARE, random_state)
    n_learned = len(np.unique(classes[~held_out]))
    if n_learned == np.count_nonzero(~held_out):
        raise ValueError(
            f"of the {n_learned} classes that would be learned from, while {n_classes - n_learned} others are held "
            "out, none has two items: there are too few labels to check by; another seed holds out other classes"
        )
    model = train_lander(
        checked[~held_out],
        classes[~held_out],
        variant=variant,
        params=params,
        random_state=random_state,
        device=device,
        show_progress=show_progress,
    )
    true = classes[held_out]
    trained, general = (
        score(true, HiLander(each, random_state=random_state).fit_predict(checked[held_out])) for each in (model, None)
    )
    n_held_out = len(np.unique(true))
    return HeldOutScores(n_classes - n_held_out, n_held_out, trained, general)
