"""What is measured of a window beside the reference: two distances between the sets, and scalars of each row."""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

N_COMPONENTS = 4
DISTANCES = ("distance_to_nearest", "distance_within")  # scalars of which only an excess counts
TAIL = 0.95  # quantile of these
# Statistics that tell how densely the items of a window lie, besides what they look like.
DENSITY = frozenset(
    {
        "distance_within",
        "distance_within_mean",
        "distance_within_tail",
        "linkage",
        "density",
        "cluster_size",
        "singleton",
    }
)
_N_FREQUENCIES = 256
_N_FOR_FRAME = 5_000  # rows that the axes are computed from


@dataclass(frozen=True)
class Frame:
    """Axes that the reference gives: every comparison of one reference uses the same.

    Attributes
    ----------
    mean : ndarray of shape (d,)
    components : ndarray of shape (c, d)
        Leading principal directions.
    frequencies : ndarray of shape (d, f)
        Random Fourier features of a Gaussian kernel as wide as the median distance (Rahimi & Recht, 2007).
    has_norms : bool
        Whether the reference came with norms that vary, else there is nothing to compare them with.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    frequencies: NDArray[np.float32]
    has_norms: bool

    @classmethod
    def of(cls, embeddings: NDArray[np.float32], norms: NDArray[np.float64], random: np.random.Generator) -> Frame:
        """Compute the axes from a sample of the reference, (n, d) float32, L2-normalised."""
        rows = embeddings[random.permutation(len(embeddings))[:_N_FOR_FRAME]]
        mean = rows.mean(axis=0)
        _, directions = np.linalg.eigh(np.cov(rows.T))
        half = len(rows) // 2
        median = np.median(np.linalg.norm(rows[:half] - rows[half : 2 * half], axis=1))
        frequencies = random.standard_normal((rows.shape[1], _N_FREQUENCIES)).astype(np.float32) / np.float32(median)
        has_norms = bool(norms.std() > 1e-3 * norms.mean())
        return cls(mean, directions[:, ::-1][:, :N_COMPONENTS].T.astype(np.float32), frequencies, has_norms)


def domain_auc(window: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Return how well a logistic regression tells the window from the reference, cross-validated.

    Parameters
    ----------
    window, reference : ndarray of shape (n, d), float32
        L2-normalised.

    Returns
    -------
    float
        Area under the ROC curve; .5 where nothing tells them apart.

    Examples
    --------
    >>> same, shifted = np.random.default_rng(0).normal(size=(2, 400, 8)).astype(np.float32)
    >>> shifted[:, 0] += 2
    >>> domain_auc(shifted, same) > 0.85
    True
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    rows = np.concatenate([window, reference]) * np.float32(np.sqrt(window.shape[1]))  # entries of about 1
    is_window = np.arange(len(rows)) < len(window)
    fold = np.concatenate([np.arange(len(window)), np.arange(len(reference))]) % 2
    scores = []
    for test in (0, 1):
        classifier = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-3, max_iter=20)
        classifier.fit(rows[fold != test], is_window[fold != test])
        scores.append(roc_auc_score(is_window[fold == test], classifier.decision_function(rows[fold == test])))
    return float(np.mean(scores))


def mean_discrepancy(window: NDArray[np.float32], reference: NDArray[np.float32], frame: Frame) -> float:
    """Return the maximum mean discrepancy (Gretton et al., 2012) by random Fourier features.

    Parameters
    ----------
    window, reference : ndarray of shape (n, d), float32
        L2-normalised.
    frame : Frame
    """

    def mean_feature(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        angles = rows @ frame.frequencies  # (n, f)
        return np.concatenate([np.cos(angles).mean(axis=0), np.sin(angles).mean(axis=0)])

    return float(np.linalg.norm(mean_feature(window) - mean_feature(reference)) / np.sqrt(_N_FREQUENCIES))


def row_scalars(
    window: NDArray[np.float32], norms: NDArray[np.float64], reference: NDArray[np.float32], frame: Frame
) -> pd.DataFrame:
    """Return a handful of numbers for each row of the window, a column each.

    Parameters
    ----------
    window : ndarray of shape (n, d), float32
        L2-normalised.
    norms : ndarray of shape (n,)
        Before that.
    reference : ndarray of shape (m, d), float32
        L2-normalised.
    frame : Frame
    """
    nearest = faiss.knn(window, np.ascontiguousarray(reference), 1, metric=faiss.METRIC_INNER_PRODUCT)[0][:, 0]
    within = faiss.knn(window, window, 2, metric=faiss.METRIC_INNER_PRODUCT)[0][:, 1]  # the nearest is the row itself
    columns: dict[str, NDArray] = {"norm": norms} if frame.has_norms else {}
    columns["cosine_to_mean"] = window @ frame.mean / np.linalg.norm(frame.mean)
    columns["distance_to_nearest"], columns["distance_within"] = 1 - nearest, 1 - within
    projected = (window - frame.mean) @ frame.components.T  # (n, c)
    columns |= {f"component_{number + 1}": projected[:, number] for number in range(projected.shape[1])}
    return pd.DataFrame(columns, dtype=np.float64)


def scalar_statistics(scalars: pd.DataFrame, healthy: pd.DataFrame, *, sparse: bool = False) -> dict[str, float]:
    """Compare scalars with their healthy distribution, each to one number that grows with drift.

    Items farther than usual from the reference, or from each other, are drift; nearer ones are not, since known
    classes come back. Of all other scalars the whole distribution counts: Wasserstein distance, in standard
    deviations.

    Parameters
    ----------
    scalars, healthy : DataFrame
        Same columns; NaN where a row was not looked at.
    sparse : bool
        The healthy windows were thinned. Items nearer to each other than theirs count too then: else a dense window
        with a few lonely items would pass for a thin one.
    """
    found = {}
    for name in healthy.columns:
        values, usual = scalars[name].dropna(), healthy[name]
        if name in DISTANCES:
            found[f"{name}_mean"] = float(values.mean())
            found[f"{name}_tail"] = float(values.quantile(TAIL))
        if name not in DISTANCES or (sparse and name == "distance_within"):
            found[name] = float(wasserstein_distance(usual, values) / max(usual.std(ddof=0), 1e-3))
    return found
