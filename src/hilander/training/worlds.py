"""Worlds of drawn classes, whose items are seen through a random network: what small encoders learn from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hilander.data.synthetic_embeddings import draw_spectrum
from hilander.training.styles import StyledItems, Styles

_SEEN_FEATURES = (48, 96, 160)


class World:
    """Items z of classes and nuisances v that are seen as x = W₃ tanh(W₂ tanh(W₁ [z; v])) + noise.

    Parameters
    ----------
    rng : Generator
        Decides what kind of world it is; weights and noise come from torch's.
    closeness : float
        Factor on how far items lie from the middle of their class.
    twins : bool
        Whether some classes may hardly differ from another one.
    styles : bool
        Whether items of all classes come in the same styles.

    Attributes
    ----------
    twin_share : float
        Share of the classes that hardly differ from another one.
    """

    def __init__(self, rng: np.random.Generator, closeness: float, twins: bool, styles: bool) -> None:
        self._rng, self._twins = rng, twins
        self._class_spectrum = _unit_spectrum(int(rng.integers(4, 33)), rng)
        self._nuisance_spectrum = _unit_spectrum(int(rng.integers(2, 33)), rng)
        self._nuisance_spectrum *= rng.uniform(0.2, 1.2) * closeness**0.5
        self._nuisance_of_classes = rng.choice([0.0, 0.6])  # a class is mostly seen in some poses
        self._families = self._points(int(rng.integers(3, 40)))
        self._family_share = rng.choice([0.0, 1.0])
        self._step = rng.uniform(0.4, 1.0)  # from the middle of a family to a class of it
        self._sibling_share = rng.uniform(0, 0.4)
        self.twin_share = float(rng.choice([0.0, rng.uniform(0, 0.4)])) if twins else 0.0
        self._spread = np.exp(rng.uniform(*np.log([0.1, 0.6]))) * closeness
        self._unlike_classes, self._unlike_items = rng.uniform(0, 0.5, 2)
        self._n_modes = int(rng.choice([1, 1, 2, 3]))
        self._noise = rng.uniform(0, 0.5) * closeness**0.5
        self._styles = None
        if styles:
            self._styles = Styles(len(self._class_spectrum), len(self._nuisance_spectrum), rng)
            self._noise *= rng.choice([0.1, 1.0])
        gain, hidden = rng.uniform(0.6, 2.5), 128
        n_inputs = len(self._class_spectrum) + len(self._nuisance_spectrum)
        self.n_features = int(rng.choice(_SEEN_FEATURES))
        widths = (n_inputs, hidden, hidden, self.n_features)
        gains = (gain, gain, 1.0)
        self._weights = [
            torch.randn(n_in, n_out) * (factor / n_in**0.5)
            for n_in, n_out, factor in zip(widths, widths[1:], gains, strict=False)
        ]
        self._biases = [0.5 * torch.randn(hidden) for _ in range(2)]

    def draw(self, sizes: NDArray[np.int64]) -> tuple[Tensor, NDArray[np.int64], NDArray[np.int64]]:
        """Draw items of new classes of these sizes.

        Returns
        -------
        seen : Tensor of shape (n, n_features), float32
        labels : ndarray of shape (n,), int64
        alike : ndarray of shape (n,), int64
            Items of one class with the same number may be near copies of each other.
        """
        rng, n_classes = self._rng, len(sizes)
        labels = np.repeat(np.arange(n_classes), sizes)
        centers = self._centers(n_classes)
        if self._n_modes > 1:
            modes = self._spread * rng.normal(size=(n_classes, self._n_modes, centers.shape[1])) * self._class_spectrum
            middles = centers[labels] + modes[labels, rng.integers(self._n_modes, size=len(labels))]
        else:
            middles = centers[labels]
        spread = self._spread * rng.lognormal(0, self._unlike_classes, n_classes)[labels]
        spread *= rng.lognormal(0, self._unlike_items, len(labels))
        styled = self._styled(sizes, labels)
        items = middles + spread[:, None] * styled.deviations * self._class_spectrum
        nuisances = styled.nuisances * self._nuisance_spectrum
        return self._see(np.concatenate([items, nuisances], axis=1)), labels, styled.alike

    def _styled(self, sizes: NDArray[np.int64], labels: NDArray[np.int64]) -> StyledItems:
        if self._styles is not None:
            return self._styles.draw(sizes)
        rng, n, share = self._rng, len(labels), self._nuisance_of_classes
        deviations = rng.normal(size=(n, len(self._class_spectrum)))
        of_items, of_classes = (rng.normal(size=(k, len(self._nuisance_spectrum))) for k in (n, len(sizes)))
        return StyledItems(deviations, (1 - share**2) ** 0.5 * of_items + share * of_classes[labels], np.arange(n))

    def _centers(self, n_classes: int) -> NDArray[np.float64]:
        centers = self._points(n_classes)
        if self._family_share:
            centers = self._families[self._rng.integers(len(self._families), size=n_classes)] + self._step * centers
        for sibling in np.flatnonzero(self._rng.random(n_classes) < self._sibling_share):
            step = self._rng.uniform(0.3, 0.8) * self._points(1)[0]
            centers[sibling] = centers[self._rng.integers(n_classes)] + step
        if self._twins:
            for twin in np.flatnonzero(self._rng.random(n_classes) < self.twin_share):
                step = self._rng.uniform(0.05, 0.3) * self._points(1)[0]
                centers[twin] = centers[self._rng.integers(n_classes)] + step
        return centers

    def _points(self, n: int) -> NDArray[np.float64]:
        return self._rng.normal(size=(n, len(self._class_spectrum))) * self._class_spectrum

    def _see(self, latent: NDArray[np.float64]) -> Tensor:
        x = torch.from_numpy(latent.astype(np.float32))
        for weight, bias in zip(self._weights, self._biases, strict=False):
            x = torch.tanh(x @ weight + bias)
        x = x @ self._weights[-1]
        return x + self._noise * torch.randn_like(x)


def _unit_spectrum(n_features: int, rng: np.random.Generator) -> NDArray[np.float64]:
    spectrum = draw_spectrum(n_features, rng)
    return spectrum / np.sqrt(np.mean(spectrum**2))
