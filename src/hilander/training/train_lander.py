"""Learn how to cluster, from labelled classes: the one call that does it all."""

from __future__ import annotations

from numpy.typing import ArrayLike

from hilander.config import PublishedParams
from hilander.embeddings import check_embeddings, check_labels
from hilander.models.clustering_model import ClusteringModel
from hilander.training.published import fit_published
from hilander.training.threshold import choose_threshold, with_threshold

VARIANTS = ("hilander", "published")


def train_lander(
    embeddings: ArrayLike,
    labels: ArrayLike,
    *,
    variant: str = "published",
    params: PublishedParams | None = None,
    random_state: int = 0,
    device: str = "auto",
    show_progress: bool = False,
) -> ClusteringModel:
    """Train on labelled classes a model that clusters classes it has never seen.

    Parameters
    ----------
    embeddings : array-like of shape (n, d)
        Finite, non-zero rows; normalised here.
    labels : array-like of shape (n,)
        Integers or strings; at least two classes, one of them with two items.
    """
    checked = check_embeddings(embeddings, min_rows=2)
    classes = check_labels(labels, len(checked))
    model, history = fit_published(
        checked, classes, params, random_state=random_state, device=device, show_progress=show_progress
    )
    choice = choose_threshold(model, checked, classes, random_state=random_state, show_progress=show_progress)
    model.provenance |= {"history": history, "thresholds": choice.table}
    return with_threshold(model, choice)
