"""What `HiLander` does with later rows: clusters that exist take them in, whether fitted or made before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, Self, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from hilander.assign import Assigner, Assignment
from hilander.compilation import told_of_compilation
from hilander.embeddings import check_embeddings
from hilander.estimator_parameters import model_and_settings
from hilander.graph.distinct_rows import distinct_rows, ordered_rows
from hilander.graph.knn import nearest_neighbors
from hilander.linkage_threshold import adapt_threshold, multiply_odds
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings
from hilander.set_whitening import learn_whitening
from hilander.whitening import Whitening

_LARGEST = np.iinfo(np.int64).max  # cluster that `predict` can answer

_Method = TypeVar("_Method", bound=Callable[..., Any])


def all_or_nothing(method: _Method) -> _Method:
    """Make a method that fails leave all that its estimator held, such as the width of its embeddings."""

    @wraps(method)
    def whole(self: BaseEstimator, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    return cast(_Method, whole)


class LaterRows(BaseEstimator):
    """Adds rows to clusters that do not change: the part of `HiLander` that comes after a fit, or in place of one."""

    granularity: float
    random_state: int
    show_progress: bool
    _assigner: Assigner | None  # None where the embeddings lie in files

    @all_or_nothing
    def adopt(self, X: ArrayLike, labels: ArrayLike) -> Self:
        """Take over clusters that were made before, so that `predict` and `assign` can add to them.

        Of the fitted attributes only `labels_`, `linkage_threshold_` and `n_features_in_` are there then. Where the
        threshold adapts, as with the general model, it adapts to these embeddings as in a `fit` without constraints,
        so that later rows are assigned as after that fit. This takes about as long as the fit did; to spare it, set
        `linkage_threshold` to that fit's `linkage_threshold_`, which has the `granularity` in it: leave that at 1.

        Parameters
        ----------
        X : array-like of shape (n, d)
            The embeddings that were clustered.
        labels : array-like of shape (n,)
            Their clusters, integers from 0; items labelled -1 belong to none and have no vote, as after a fit with
            ``outliers="label"``.

        Raises
        ------
        ValueError
            Labels are not integers from -1 up to 2⁶³ − 1, are masked, of another length, or all -1; or embeddings are
            bad, as in `fit`.
        """
        model, settings = model_and_settings(self.get_params(deep=False))
        embeddings = self._checked(X, model)
        if np.ma.is_masked(labels):
            raise ValueError("clusters have masked values, of which none is known; label these items -1")
        clusters = np.asarray(labels)
        if clusters.shape != (len(embeddings),) or clusters.dtype.kind not in "iu":
            raise ValueError(
                f"clusters must be {len(embeddings)} integers, one per embedding; got {clusters.dtype} of shape "
                f"{clusters.shape}"
            )
        if (clusters < -1).any():
            raise ValueError(f"clusters must be integers from 0, or -1 for none; got {clusters.min()}")
        if (clusters > _LARGEST).any():
            raise ValueError(f"clusters must be integers up to {_LARGEST:,}, got {clusters.max():,}; number them anew")
        kept = clusters >= 0
        if not kept.any():
            raise ValueError("every item is labelled -1, so there is no cluster to assign to")
        clusters = clusters.astype(np.int64)
        rows, node_of = ordered_rows(embeddings)  # as in `fit`
        with told_of_compilation(self.show_progress):
            whitening = learn_whitening(embeddings, model, settings, rows=rows)
            nodes = embeddings[rows] if whitening is None else whitening(embeddings[rows])
            settings = self._adapted(nodes, model, settings)
        if not kept.all():  # of equal rows, the first that is in a cluster stands for all
            kept_rows = np.flatnonzero(kept)
            held, first = np.unique(node_of[kept_rows], return_index=True)
            rows[held] = kept_rows[first]
        assigner = assigner_of(nodes, clusters[rows], model, settings, whitening)  # near ties go by their order
        for name in ("probabilities_", "peaks_", "levels_"):  # those of an earlier fit
            self.__dict__.pop(name, None)
        self.labels_, self.linkage_threshold_, self._assigner = clusters, settings.linkage_threshold, assigner
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Assign later embeddings to the clusters of `fit`; -1 is none of them.

        Not necessarily the labels that clustering all rows together would give: the fitted clusters do not change.

        Parameters
        ----------
        X : array-like of shape (n_new, d)

        Returns
        -------
        ndarray of shape (n_new,), int64
        """
        return self.assign(X).labels

    def assign(self, X: ArrayLike) -> Assignment:
        """Like `predict`, with probabilities; see `hilander.assign.Assigner`."""
        check_is_fitted(self, "labels_")
        if self._assigner is None:
            raise ValueError(
                "the embeddings were fitted from files, so none are at hand to compare with; give those of a part that "
                "memory holds to HiLander(model).adopt(X, labels), and assign with that"
            )
        embeddings = check_embeddings(X)
        validate_data(self, _described(X, embeddings), reset=False, skip_check_array=True)
        return self._assigner.assign(embeddings, show_progress=self.show_progress)

    def _adapted(
        self, nodes: NDArray[np.float32], model: ClusteringModel, settings: ClusteringSettings
    ) -> ClusteringSettings:
        """Settings with the threshold that a fit of these nodes would cluster by."""
        if settings.adapt_threshold:
            search: dict[str, Any] = {"random_state": self.random_state, "show_progress": self.show_progress}
            neighbors = nearest_neighbors(nodes, settings.n_neighbors, **search)
            settings = adapt_threshold(nodes, model, settings, neighbors=neighbors, **search)
        return replace(settings, linkage_threshold=multiply_odds(settings.linkage_threshold, self.granularity))

    def _checked(self, X: ArrayLike, model: ClusteringModel) -> NDArray[np.float32]:
        embeddings = check_embeddings(X, n_features=model.n_features)
        validate_data(self, _described(X, embeddings), skip_check_array=True)  # takes note of width and column names
        return embeddings


def _described(X: ArrayLike, embeddings: NDArray[np.float32]) -> ArrayLike:
    """What scikit-learn can read the width and the names of columns from: not from a column of lists."""
    return X if len(getattr(X, "shape", ())) == 2 else embeddings


def assigner_of(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    model: ClusteringModel,
    settings: ClusteringSettings,
    whitening: Whitening | None,
) -> Assigner:
    """Return what assigns later rows to the clusters of these, each distinct row once.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1, whitened where so.
    labels : ndarray of shape (n,), int64
        Their clusters, -1 for none.
    model : ClusteringModel
    settings : ClusteringSettings
        With the threshold that they were clustered by.
    whitening : Whitening or None
        What later rows go through first.
    """
    first, _ = distinct_rows(embeddings)
    if len(first) < len(embeddings):
        embeddings, labels = embeddings[first], labels[first]
    return Assigner(
        embeddings,
        labels,
        model,
        n_neighbors=settings.n_neighbors,
        threshold=settings.linkage_threshold,
        whitening=whitening,
    )
