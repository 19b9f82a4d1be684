"""Labelled embeddings drawn at random, each draw of another kind, to learn clustering in general from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from hilander.metrics import one_nn_accuracy

_FEWEST_CLASSES = 8
_NUMBERS_OF_MODES = (1, 1, 2, 4)
_CALIBRATION_ITEMS = 2000
_BISECTIONS = 9


def draw_embeddings(
    n: int, n_features: int, *, seed: int, mean_sizes: tuple[float, float] = (4.0, 400.0)
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw classes on the unit sphere; the seed decides what kind of classes too.

    What varies from draw to draw: sizes of classes (equal to long-tailed, on average 4 to 400 unless told otherwise,
    though never so large that fewer than 8 fit), how clearly they are apart (1-NN accuracy of about .65 to .98),
    siblings close to another class, classes of several modes, effective dimension of the classes and of the deviations
    within them, how much these differ from class to class and from item to item, the share of outliers, each a class of
    its own.

    Parameters
    ----------
    n : int
        Items, at least 2.
    n_features : int
        Width (d) of the embeddings.
    seed : int
    mean_sizes : (float, float)
        From where to where the mean size of the classes is drawn.

    Returns
    -------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1, in random order.
    labels : ndarray of shape (n,), int64

    Examples
    --------
    >>> embeddings, labels = draw_embeddings(500, 32, seed=0)
    >>> embeddings.shape, labels.shape
    ((500, 32), (500,))
    """
    rng = np.random.default_rng(seed)
    n_outliers = int(n * rng.choice([0.0, 0.01, 0.05]))
    smallest, largest = mean_sizes
    mean = np.exp(rng.uniform(np.log(smallest), np.log(np.clip(n / _FEWEST_CLASSES, smallest, largest))))
    sizes = draw_class_sizes(n - n_outliers, mean=mean, tail=rng.uniform(0, 1.1), rng=rng)
    labels = np.repeat(np.arange(len(sizes)), sizes)

    spectrum = draw_spectrum(n_features, rng)
    centers = normalize(rng.normal(size=(len(sizes), n_features)) * spectrum)
    for sibling in np.flatnonzero(rng.random(len(sizes)) < rng.uniform(0, 0.5)):
        step = normalize(rng.normal(size=(1, n_features)) * spectrum)[0]
        centers[sibling] = centers[rng.integers(len(sizes))] + rng.uniform(0.4, 1.0) * step
    centers = normalize(centers)

    deviations = rng.normal(size=(len(labels), n_features)) * rng.permutation(draw_spectrum(n_features, rng))
    per_class = rng.lognormal(0, rng.uniform(0, 0.4), len(sizes))
    per_item = rng.lognormal(0, rng.uniform(0, 0.4), len(labels))
    deviations *= (per_class[labels] * per_item)[:, None]
    deviations += _modes(labels, deviations, n_modes=int(rng.choice(_NUMBERS_OF_MODES)), rng=rng)
    scale = _scale(centers[labels], deviations, labels, one_nn=rng.uniform(0.65, 0.98))
    items = centers[labels] + scale * deviations

    outliers = rng.normal(size=(n_outliers, n_features)) * spectrum
    embeddings = normalize(np.concatenate([items, outliers]))
    labels = np.concatenate([labels, len(sizes) + np.arange(n_outliers)])
    order = rng.permutation(n)
    return embeddings[order].astype(np.float32), labels[order].astype(np.int64)


def draw_class_sizes(total: int, *, mean: float, tail: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Log-normal sizes of that mean and standard deviation of the logarithm, which add up to the total."""
    drawn = rng.lognormal(np.log(mean) - tail**2 / 2, tail, total)
    ends = np.cumsum(np.maximum(np.round(drawn), 1).astype(np.int64))
    ends = np.append(ends[ends < total], total)
    return np.diff(ends, prepend=0)


def _modes(
    labels: NDArray[np.int64], deviations: NDArray[np.float64], *, n_modes: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Offset of each item's mode: a class has up to so many, as far from its center as its items, more or less."""
    if n_modes == 1:
        return np.zeros_like(deviations)
    offsets = deviations[rng.permutation(len(labels))[: n_modes * (labels.max() + 1)]]
    offsets = rng.uniform(0.3, 1.0) * offsets[rng.integers(len(offsets), size=(labels.max() + 1, n_modes))]
    return offsets[labels, rng.integers(n_modes, size=len(labels))]


def draw_spectrum(n_features: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Standard deviation of each coordinate: a power law, so that few or many of them matter."""
    return np.power(np.arange(1.0, n_features + 1), -rng.uniform(0.0, 0.8))


def _scale(
    centers: NDArray[np.float64], deviations: NDArray[np.float64], labels: NDArray[np.int64], *, one_nn: float
) -> float:
    """Factor on the deviations for which that share of items has a nearest neighbour of its class, by bisection."""
    shown = slice(0, _CALIBRATION_ITEMS)
    low, high = -6.0, 3.0  # logarithms; accuracy falls with the scale
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        accuracy = one_nn_accuracy(centers[shown] + np.exp(middle) * deviations[shown], labels[shown])
        low, high = (middle, high) if accuracy > one_nn else (low, middle)
    return float(np.exp(low))
