"""What windows are compared with, and what is measured of a window beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hilander.embeddings import as_real_matrix, check_embeddings, check_labels
from hilander.graph.distinct_rows import distinct_rows
from hilander.monitoring.drift.sampling import cut_large_classes, split_rows
from hilander.monitoring.drift.statistics import Frame, domain_auc, mean_discrepancy, row_scalars

if TYPE_CHECKING:
    from hilander.models.clustering_model import ClusteringModel

_FEWEST_ROWS = 250
_SHARE_FOR_AXES = 0.2
_ROWS_AT_ONCE = 65_536
_LARGEST_CLASS = 0.1  # of the rows: what is held out is then always enough; larger ones are taken for several


@dataclass(frozen=True)
class Reference:
    """Rows that windows are compared with.

    Attributes
    ----------
    embeddings : ndarray of shape (n, d), float32
        Of norm 1, each once: a window's repeats count once too.
    norms : ndarray of shape (n,), float64
        Before they were normalised.
    labels : ndarray of shape (n,), int64, or None
        Classes 0..C-1, of which none is large, see `cut_large_classes`.
    frame : Frame
        Axes, of rows that are compared no more.
    n_given : int
        Rows of the reference, those included.
    model : ClusteringModel or None
        What else a window is measured by.
    """

    embeddings: NDArray[np.float32]
    norms: NDArray[np.float64]
    labels: NDArray[np.int64] | None
    frame: Frame
    n_given: int
    model: ClusteringModel | None

    @classmethod
    def of(cls, embeddings: ArrayLike, labels: ArrayLike | None, model: ClusteringModel | None, seed: int) -> Reference:
        """Check the rows, and set some of them aside for the axes.

        Raises
        ------
        ValueError
            Bad embeddings or labels, or fewer than 250 distinct rows.
        """
        checked = check_embeddings(embeddings, n_features=None if model is None else model.n_features)
        classes = None if labels is None else check_labels(labels, len(checked))
        norms, n_given = norms_of(embeddings), len(checked)
        first = first_of_each(checked)
        if len(first) < _FEWEST_ROWS:
            raise ValueError(f"the reference must have at least {_FEWEST_ROWS} distinct rows; got {len(first)}")
        if len(first) < n_given:
            checked, norms = checked[first], norms[first]
        if classes is not None:
            classes = np.unique(classes[first], return_inverse=True)[1]
            classes = cut_large_classes(checked, classes, int(_LARGEST_CLASS * len(checked)))
        random = np.random.default_rng(seed)
        # Axes fit the rows that they are computed from better than any others, so these rows are compared no more.
        for_axes, compared = split_rows(len(checked), classes, _SHARE_FOR_AXES, random)
        return cls(
            embeddings=checked[compared],
            norms=norms[compared],
            labels=None if classes is None else np.unique(classes[compared], return_inverse=True)[1],
            frame=Frame.of(checked[for_axes], norms[for_axes], random),
            n_given=n_given,
            model=model,
        )

    def measure(
        self,
        window: NDArray[np.float32],
        norms: NDArray[np.float64],
        others: NDArray[np.float32],
        model_rows: int,
    ) -> tuple[dict[str, float], pd.DataFrame]:
        """Measure a window beside some rows of the reference.

        Parameters
        ----------
        window : ndarray of shape (n, d), float32
            Of norm 1.
        norms : ndarray of shape (n,), float64
            Before they were normalised.
        others : ndarray of shape (n, d), float32
            Rows of the reference.
        model_rows : int
            Of the window, that the model is asked about.

        Returns
        -------
        of_the_set : dict of str to float
            Statistics of the window as a whole.
        scalars : DataFrame
            Of each of its rows.
        """
        of_the_set = {
            "domain_auc": domain_auc(window, others),
            "mean_discrepancy": mean_discrepancy(window, others, self.frame),
        }
        scalars = row_scalars(window, norms, others, self.frame)
        if self.model is not None:
            # loads torch, which a bare comparison needs not
            from hilander.monitoring.drift.model_view import model_scalars

            scalars = scalars.join(model_scalars(window[:model_rows], self.model))
        return of_the_set, scalars

    def add_to(self, digest: hashlib._Hash) -> None:
        """Add to a digest all that `measure` depends on, but the model's settings."""
        parts: list[Any] = [self.embeddings, self.norms, self.labels]
        for array in parts:
            digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        if self.model is not None and (network := self.model.network()) is not None:
            for name, weight in network.state_dict().items():
                digest.update(name.encode() + weight.cpu().numpy().tobytes())


def first_of_each(embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the first position of each distinct row, in order."""
    return np.sort(distinct_rows(embeddings)[0])


def norms_of(embeddings: ArrayLike) -> NDArray[np.float64]:
    """Return the norm of every row (n,), as it was given."""
    array = as_real_matrix(embeddings)
    norms = np.empty(len(array))
    for start in range(0, len(array), _ROWS_AT_ONCE):
        rows = np.asarray(array[start : start + _ROWS_AT_ONCE], np.float64)
        scale = np.abs(rows).max(axis=1)  # guards against overflow, after which no length would be compared
        norms[start : start + len(rows)] = scale * np.linalg.norm(rows / scale[:, None], axis=1)
    return norms
