"""Within-class whitening of embeddings, learned from labelled ones or from pairs that are likely of one class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilander.embeddings import check_embeddings, check_labels
from hilander.paged_arrays import empty_array, let_go

_ROWS_PER_CHUNK = 1 << 13
_PAIRS_PER_CHUNK = 1 << 15
_LARGEST = 1e30  # entry of the map


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
        Inverse root of the within-class covariance, symmetric.
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
        if not covariance.any():
            raise ValueError("expected a class with two different embeddings to learn whitening from; found none")
        return cls._of(x.mean(axis=0), covariance, shrinkage)

    @classmethod
    def fit_pairs(
        cls,
        embeddings: NDArray[np.float32],
        pairs: NDArray[np.int64],
        weights: NDArray[np.floating],
        shrinkage: float,
    ) -> Whitening:
        """Learn the map from pairs of embeddings in place of labels: half of the mean square of their differences.

        Parameters
        ----------
        embeddings : ndarray of shape (n, d), float32
            Rows of norm 1.
        pairs : ndarray of shape (m, 2), int64
            Of different embeddings that are likely of one class; m >= 1.
        weights : ndarray of shape (m,)
            Above 0: how much each counts.
        shrinkage : float
            As in `fit`.
        """
        covariance = np.zeros((embeddings.shape[1],) * 2)
        for start in range(0, len(pairs), _PAIRS_PER_CHUNK):
            rows = slice(start, start + _PAIRS_PER_CHUNK)
            apart = embeddings[pairs[rows, 0]].astype(np.float64)  # half a gigabyte of wide rows: once is enough
            apart -= embeddings[pairs[rows, 1]]
            apart *= np.sqrt(weights[rows, None])
            covariance += apart.T @ apart
            del apart  # before there is another
        return cls._of(embeddings.mean(axis=0, dtype=np.float64), covariance / (2 * weights.sum()), shrinkage)

    @classmethod
    def _of(cls, mean: NDArray[np.float64], covariance: NDArray[np.float64], shrinkage: float) -> Whitening:
        variance = np.trace(covariance) / len(covariance)
        variances, directions = np.linalg.eigh((1 - shrinkage) * covariance + shrinkage * variance * np.eye(len(mean)))
        # The symmetric root: of all maps that whiten alike, the one that directions of equal variance leave unique.
        transform = (directions / np.sqrt(variances)) @ directions.T
        # Rows are normalised afterwards, so the scale is free: that of subnormal differences is beyond 32 bits.
        transform *= min(1, _LARGEST / np.abs(transform).max())
        return cls(mean.astype(np.float32), transform.astype(np.float32))

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the whitened embeddings, (n, d) float32, rows of norm 1; many of them need not be resident."""
        whitened = empty_array(embeddings.shape)
        mean, transform = self.mean.astype(np.float64), self.transform.astype(np.float64)
        for start in range(0, len(embeddings), _ROWS_PER_CHUNK):
            rows = slice(start, start + _ROWS_PER_CHUNK)
            # In double precision, so that a row comes out the same whichever rows it comes with.
            whitened[rows] = check_embeddings((embeddings[rows] - mean) @ transform, first_row=start)
            let_go(embeddings)
            let_go(whitened)
        return whitened
