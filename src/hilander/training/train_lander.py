"""Learn how to cluster, from labelled classes: the one call that does it all."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hilander.allowed_values import check_random_state, check_values
from hilander.compilation import told_of_compilation
from hilander.config import LanderParams, PublishedParams, RelationalParams
from hilander.embeddings import check_embeddings, check_labels, check_neighbors
from hilander.models.clustering_model import ClusteringModel
from hilander.nn.device import resolve_device
from hilander.training.freed_memory import give_back_freed_memory
from hilander.training.general_sets import sets_beside
from hilander.training.labelled_set import LabelledSet, projected, thinned
from hilander.training.relational import fit_relational
from hilander.training.threshold import choose_threshold_for_all, with_threshold


def train_lander(
    embeddings: ArrayLike,
    labels: ArrayLike,
    *,
    variant: str = "hilander",
    params: RelationalParams | PublishedParams | None = None,
    neighbors: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
    random_state: int = 0,
    device: str = "auto",
    show_progress: bool = False,
) -> ClusteringModel:
    """Train a model on labelled classes that clusters classes it has never seen.

    The linkage threshold is then chosen on the same classes, by the sum of pairwise and BCubed F.

    Parameters
    ----------
    embeddings : array-like of shape (n, d)
        Finite, non-zero rows; normalised here, never changed in place.
    labels : array-like of shape (n,)
        Integers or strings; at least one class with two items and two classes.
    variant : {"hilander", "published"}
        Our own relational network, which takes embeddings of any width, or the network of the paper.
    params : RelationalParams or PublishedParams, optional
        Settings of the training, of the kind that belongs to the variant.
    neighbors : tuple of ndarrays of shape (n, k), optional
        Neighbours and similarities from `hilander.graph.knn.nearest_neighbors`, where they are known already.
    random_state : int
        0 to 2³² − 1. The same seed gives the same model on the same machine, with as many threads of torch's: gradients
        are summed by them. Trainings in several threads of one process at once draw from one generator: take processes.
    device : str
        "auto", "cpu" or "cuda".
    show_progress : bool

    Returns
    -------
    ClusteringModel
        With ``provenance``: the parameters, the loss by step, and what every threshold gave.

    Raises
    ------
    ValueError
        Embeddings, labels or neighbours do not fit (see `check_embeddings`, `check_labels`, `check_neighbors`), all
        embeddings are equal, no two items share a class, all share one, the variant is unknown, `params` are another
        one's, a parameter is out of its range, there is no such device, or training diverges.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> classes = np.repeat(np.arange(30), 10)
    >>> embeddings = rng.normal(size=(30, 16))[classes] + 0.3 * rng.normal(size=(300, 16))
    >>> model = train_lander(embeddings, classes, params=RelationalParams(n_item_steps=20, n_cluster_steps=5))
    >>> model.variant, model.n_features  # any width will do
    ('hilander', None)
    """
    default = LanderParams().params_of(variant)
    params = default if params is None else params
    if not isinstance(params, type(default)):
        asked = type(default).__name__
        raise ValueError(f"params of variant {variant!r} must be {asked}, got {type(params).__name__}")
    check_values(params)
    random_state = check_random_state(random_state)
    resolve_device(device)  # refused before any work is done
    checked = check_embeddings(embeddings, min_rows=2)
    classes = check_labels(labels, len(checked))
    n_classes = int(classes.max()) + 1
    if n_classes == len(checked) or n_classes == 1:
        raise ValueError(
            "training needs several classes with several items, to see what belongs together and what does not; got "
            f"{len(checked)} items of {n_classes} class(es)"
        )
    if all(np.array_equal(row, checked[0]) for row in checked):  # ends at the first other one
        raise ValueError("training needs embeddings that differ, but all rows point in one direction; encode them anew")
    if neighbors is not None:
        neighbors = check_neighbors(neighbors, len(checked))
    common: dict[str, Any] = {
        "random_state": random_state,
        "device": device,
        "show_progress": show_progress,
    }
    model: ClusteringModel
    whole = LabelledSet(checked, classes, neighbors)
    sets = [whole]
    # Also where the caller has turned gradients off, as notebooks do that otherwise only predict.
    with told_of_compilation(show_progress), torch.inference_mode(False), torch.enable_grad():
        if isinstance(params, PublishedParams):
            from hilander.training.published import fit_published  # DGL, which no other variant needs, loads slowly

            model, history = fit_published(checked, classes, params, neighbors=neighbors, **common)
        else:
            sets = [thinned(whole, seed=i) for i in range(params.n_thinned)] or [whole]
            views = [projected(sets[i % len(sets)], seed=i) for i in range(params.n_projected)]
            drawn = sets_beside(params.n_drawn, show_progress=show_progress)
            model, history = fit_relational(
                [*sets, *views, *drawn.items],
                params,
                cluster_sets=[*sets, *views, *drawn.clusters],
                context_sets=[*sets, *drawn.context] if params.n_drawn else sets[:1],  # copies and views are one set
                mixed=params.n_drawn > 0,
                **common,
            )
        give_back_freed_memory()
        choice = choose_threshold_for_all(model, sets, random_state=random_state, show_progress=show_progress)
    model.provenance |= {
        "trained_on": {"items": len(checked), "classes": n_classes},
        "history": history,
        "thresholds": choice.table,
    }
    return with_threshold(model, choice)
