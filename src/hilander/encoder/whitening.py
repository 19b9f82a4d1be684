"""Within-class whitening of embeddings, learned from labelled ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilander.embeddings import check_embeddings, check_labels


@dataclass(frozen=True)
class Whitening:
    """Affine map after which embeddings of one class vary alike in every direction.

    What varies within the training classes, say the slant of a hand, then counts less between unseen ones. Within-class
    covariance normalisation: Hatch, Kajarekar and Stolcke, *Within-Class Covariance Normalization for SVM-based Speaker
    Recognition*, Interspeech 2006, section 3, with the shrinkage of its equation 8.

    Attributes
    ----------
    mean : (d,) float32
        Of all training embeddings.
    transform : (d, d) float32
        Columns are the directions of the within-class covariance, each over its standard deviation.
    """

    mean: NDArray[np.float32]
    transform: NDArray[np.float32]

    @classmethod
    def fit(cls, embeddings: ArrayLike, labels: ArrayLike, shrinkage: float) -> Whitening:
        """Learn the map.

        Parameters
        ----------
        embeddings : (n, d) array-like
            Normalised here.
        labels : (n,) array-like
            Class of each.
        shrinkage : float
            Within (0, 1]: how far the covariance is drawn towards a multiple of the identity; 1 only centres.

        Raises
        ------
        ValueError
            The shrinkage is out of its range, no class has two embeddings, or as `check_embeddings` and `check_labels`.
        """
        if not 0 < shrinkage <= 1:
            raise ValueError(f"expected encoder.whitening, the shrinkage, above 0 and at most 1; got {shrinkage}")
        x = check_embeddings(embeddings).astype(np.float64)
        classes = check_labels(labels, len(x))
        sizes = np.bincount(classes)
        sums = np.zeros((len(sizes), x.shape[1]))
        np.add.at(sums, classes, x)
        within = x - (sums / sizes[:, None])[classes]
        covariance = within.T @ within / len(x)
        variance = np.trace(covariance) / x.shape[1]
        if variance == 0:
            raise ValueError("expected a class with two different embeddings to learn whitening from; found none")
        covariance = (1 - shrinkage) * covariance + shrinkage * variance * np.eye(x.shape[1])
        variances, directions = np.linalg.eigh(covariance)
        return cls(x.mean(axis=0).astype(np.float32), (directions / np.sqrt(variances)).astype(np.float32))

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the whitened embeddings, (n, d) float32, rows of norm 1."""
        return check_embeddings((embeddings - self.mean) @ self.transform)
