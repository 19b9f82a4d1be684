"""Styles that the items of all classes come in: fonts of characters, makers of products, cameras of faces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_NUMBERS_OF_STYLES = (4, 150)
_COPIES = 0.6  # at most such a share of the styles are near copies of others
_COPY_STEP = (0.02, 0.4)
_LOOSENESS = (0.02, 1.0)
_SERIES_LENGTHS = (1.0, 8.0)
_WITHIN_SERIES = (0.02, 0.3)


class StyledItems(NamedTuple):
    """How items differ from the middles of their classes, and what varies regardless of these.

    Attributes
    ----------
    deviations : ndarray of shape (n, n_class_features), float64
    nuisances : ndarray of shape (n, n_nuisances), float64
    alike : ndarray of shape (n,), int64
        Items of one class with the same number may be near copies of each other.
    """

    deviations: NDArray[np.float64]
    nuisances: NDArray[np.float64]
    alike: NDArray[np.int64]


class Styles:
    """A few styles, some near copies of others, which decide more or less how an item of a class looks.

    Real classes are seldom a cloud around one center. The same character in two cuts of one font, a product before the
    same backdrop, the frames of one shot lie close together, far from the rest of their class, and as far in every
    class: what is near within such a group says little about how near the others of the class are.

    Parameters
    ----------
    n_class_features, n_nuisances : int
        What classes differ in, and what else varies.
    rng : Generator
    """

    def __init__(self, n_class_features: int, n_nuisances: int, rng: np.random.Generator) -> None:
        self._rng, self._n_class_features = rng, n_class_features
        n_styles = int(np.exp(rng.uniform(*np.log(_NUMBERS_OF_STYLES))))
        self._styles = rng.normal(size=(n_styles, n_nuisances))
        self._originals = np.arange(n_styles)
        for copy in 1 + np.flatnonzero(rng.random(n_styles - 1) < rng.uniform(0, _COPIES)):
            of = rng.integers(copy)
            self._styles[copy] = self._styles[of] + rng.uniform(*_COPY_STEP) * rng.normal(size=n_nuisances)
            self._originals[copy] = self._originals[of]
        popularity = rng.lognormal(0, rng.uniform(0, 1.5), n_styles)
        self._popularity = popularity / popularity.sum()
        self._each_once = rng.random() < 0.5
        self._looseness = np.exp(rng.uniform(*np.log(_LOOSENESS)))
        self._series_length = rng.choice([1.0, 1.0, rng.uniform(*_SERIES_LENGTHS)])
        self._within_series = np.exp(rng.uniform(*np.log(_WITHIN_SERIES)))

    def draw(self, sizes: NDArray[np.int64]) -> StyledItems:
        """Draw items of classes of these sizes, class by class; deviations and nuisances have variance 1, about."""
        rng, loose, n = self._rng, self._looseness, int(sizes.sum())
        ends = np.cumsum(sizes)
        first_of_series = rng.random(n) < 1 / self._series_length
        first_of_series[ends - sizes] = True
        series = np.cumsum(first_of_series) - 1
        styles, of_style = np.empty(n, np.int64), np.empty((n, self._n_class_features))
        for start, end in zip(ends - sizes, ends, strict=True):
            within = series[start:end] - series[start]
            styles[start:end] = self._of_class(int(within[-1]) + 1)[within]
            look = rng.normal(size=(self._styles.shape[1], self._n_class_features)) / self._styles.shape[1] ** 0.5
            of_style[start:end] = self._styles[styles[start:end]] @ look

        def loosely(of_styles: NDArray[np.float64]) -> NDArray[np.float64]:
            of_series = rng.normal(size=(series[-1] + 1, of_styles.shape[1]))[series]
            moved = self._within_series * rng.normal(size=of_styles.shape)
            return (1 - loose**2) ** 0.5 * of_styles + loose * (of_series + moved)

        classes = np.repeat(np.arange(len(sizes)), sizes)
        alike = series if loose > 0.5 else classes * len(self._styles) + self._originals[styles]
        return StyledItems(loosely(of_style), loosely(self._styles[styles]), alike)

    def _of_class(self, n: int) -> NDArray[np.int64]:
        """Styles of one class's items, or series: any, or each of them before one comes twice."""
        rng, n_styles = self._rng, len(self._styles)
        if not self._each_once:
            return rng.choice(n_styles, n, p=self._popularity)
        return np.concatenate(
            [rng.choice(n_styles, n_styles, replace=False, p=self._popularity) for _ in range(1 + n // n_styles)]
        )[:n]
