"""Drawn pictures embedded by nothing that was trained: as pixels, principal components, or random convolutions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from hilander.data.synthetic_embeddings import draw_class_sizes
from hilander.metrics import one_nn_accuracy
from hilander.training.pictures import Pictures
from hilander.training.principal_components import principal_components

_KINDS = ("pixels", "centered", "components", "components", "convolutions")
_SMALLEST_MEAN, _FEWEST_CLASSES = 10, 4
_LOWEST_ONE_NN = (0.75, 0.98)  # a draw in which fewer items lie next to one of their class is drawn anew, closer
_CLOSER = 0.75
_MOST_DRAWS = 8
_JUDGED_ITEMS = 3000
_NUMBERS_OF_COMPONENTS = (16, 200)


def draw_pictures(n: int, n_features: int, *, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw pictures of a few large classes, and embed them by their looks alone.

    No encoder has drawn the items of a class together, nor parted classes: neighbours are often right, yet no gap
    shows where a class ends, and it holds far more items than lists of neighbours do.

    Parameters
    ----------
    n : int
        Items, at least 2.
    n_features : int
        Width of projections. Pixels come as they are (784 or 196), and of components 16 to 200.
    seed : int

    Returns
    -------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1, in random order.
    labels : ndarray of shape (n,), int64
    """
    lowest = np.random.default_rng([seed, 1]).uniform(*_LOWEST_ONE_NN)
    for attempt in range(_MOST_DRAWS):
        embeddings, labels = _draw(n, n_features, seed, _CLOSER**attempt)
        if one_nn_accuracy(embeddings[:_JUDGED_ITEMS], labels[:_JUDGED_ITEMS]) > lowest:
            break
    return embeddings, labels


def _draw(n: int, n_features: int, seed: int, closeness: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng([seed, 0])
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        world = Pictures(rng, closeness)
        largest = max(n / _FEWEST_CLASSES, _SMALLEST_MEAN + 1)
        mean = np.exp(rng.uniform(*np.log([min(_SMALLEST_MEAN, n / 6), largest])))
        sizes = draw_class_sizes(n, mean=mean, tail=rng.choice([0.0, rng.uniform(0, 1)]), rng=rng)
        if len(sizes) == 1:
            sizes = np.array([n // 2, n - n // 2])
        pictures, labels = world.draw(sizes)
        embedded = _embed(pictures, n_features, rng).numpy()
    embeddings = normalize(embedded + 1e-7 * rng.normal(size=embedded.shape))  # a black picture has a direction too
    order = rng.permutation(n)
    return embeddings[order].astype(np.float32), labels[order]


def _embed(pictures: Tensor, n_features: int, rng: np.random.Generator) -> Tensor:
    kind, coarse = rng.choice(_KINDS), rng.random() < 0.3
    if kind == "convolutions":
        return _convolutions(pictures, n_features, rng)
    pixels = (avg_pool2d(pictures[:, None], 2) if coarse else pictures).flatten(1)
    if kind == "pixels":
        return pixels
    centered = pixels - pixels.mean(dim=0)
    if kind == "centered":
        return centered / (centered.std(dim=0) + 0.05) if rng.random() < 0.5 else centered
    n_components = int(min(n_features, centered.shape[1], np.exp(rng.uniform(*np.log(_NUMBERS_OF_COMPONENTS)))))
    return centered @ principal_components(centered, n_components, whitened=rng.choice([0.0, 0.0, 0.5, 1.0]))


def _convolutions(pictures: Tensor, n_features: int, rng: np.random.Generator) -> Tensor:
    """Two layers of random filters, pooled and projected."""
    first = torch.randn(32, 1, 5, 5) / 5
    first = first - first.mean(dim=(2, 3), keepdim=True) * rng.choice([0.0, 1.0])
    seen = avg_pool2d(conv2d(pictures[:, None], first).relu(), 2)
    seen = conv2d(seen, torch.randn(64, 32, 3, 3) / (32 * 9) ** 0.5).relu()
    pooled = avg_pool2d(seen, int(rng.choice([2, 5]))).flatten(1)
    pooled = pooled - pooled.mean(dim=0) * rng.choice([0.0, 1.0])
    if rng.random() < 0.3:
        return pooled
    return pooled @ torch.randn(pooled.shape[1], n_features) / n_features**0.5
