"""Drawn classes as a trained encoder embeds them: it has learned to tell others of their kind apart.

Points drawn around centres lack what embeddings of unseen classes have: an encoder stretches what told its training
classes apart, folds away part of what did not, and confuses some classes that it has never had to separate. So worlds
are drawn in which items of a class and whatever else varies are seen through a random network; a small encoder is
trained on some of a world's classes and embeds others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.nn.functional import normalize as unit

from hilander.data.synthetic_embeddings import draw_class_sizes, draw_spectrum
from hilander.metrics import one_nn_accuracy

_MEAN_SIZES = (4.0, 600.0)  # of the classes of a draw
_FEWEST_CLASSES = 8
_LOWEST_ONE_NN = (0.6, 0.93)  # a draw in which fewer items lie next to one of their class is drawn anew, closer
_CLOSER = 0.65
_MOST_DRAWS = 6
_JUDGED_ITEMS = 3000
_SEEN_FEATURES = (48, 96, 160)
_UNTRAINED = 0.12  # of the encoders are a mere random projection
_MOST_STEPS = 700
_FEWEST_STEPS = 30
_BATCH_SIZE = 128
_LEARNING_RATE = 3e-3

Encoder = Callable[[Tensor], Tensor]


def draw_encoded(
    n: int, n_features: int, *, seed: int, twins: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw a world, train an encoder on some of its classes, and embed items of others.

    What varies from draw to draw: sizes of classes (equal to long-tailed, on average 4 to 600), how many directions
    classes differ in and how much else varies, families and siblings of classes, classes of several modes, how much
    their spreads differ, how far the world folds what is seen, noise, outliers; of the encoder its width, how many
    classes it has learned from and for how long, the loss (softmax, or cosines with or without a margin), and whether
    it was trained at all.

    Parameters
    ----------
    n : int
        Items, at least 2.
    n_features : int
        Width (d) of the embeddings.
    seed : int
    twins : bool
        In half of the draws up to .4 of the classes hardly differ from another one, and sizes are more often alike: so
        that it is the usual size that tells such pairs from parts of one class.

    Returns
    -------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1, in random order.
    labels : ndarray of shape (n,), int64
        Outliers are classes of one.
    """
    lowest = np.random.default_rng([seed, 1]).uniform(*_LOWEST_ONE_NN)
    for attempt in range(_MOST_DRAWS):
        embeddings, labels, share = _draw(n, n_features, seed, closeness=_CLOSER**attempt, twins=twins)
        # An item of a class that has a twin, or is one, lies next to an item of the other one half of the time.
        if one_nn_accuracy(embeddings[:_JUDGED_ITEMS], labels[:_JUDGED_ITEMS]) > lowest * (1 - share):
            break
    return embeddings, labels


def _draw(
    n: int, n_features: int, seed: int, closeness: float, twins: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64], float]:
    """Embeddings, labels, and the share of classes that are twins of others."""
    rng = np.random.default_rng([seed, 0])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        world = _World(rng, closeness, twins)
        encode = _trained(world, n_features, rng)
        n_outliers = int(n * rng.choice([0.0, 0.0, 0.01, 0.05]))
        mean = np.exp(rng.uniform(*np.log([_MEAN_SIZES[0], np.clip(n / _FEWEST_CLASSES, *_MEAN_SIZES)])))
        tails = [0.0, *([rng.uniform(0, 0.25)] if twins else []), rng.uniform(0, 1.2)]
        tail = rng.choice(tails)
        sizes = draw_class_sizes(n - n_outliers, mean=mean, tail=tail, rng=rng)
        sizes = np.concatenate([sizes, np.ones(n_outliers, np.int64)])
        seen, labels = world.draw(sizes)
        with torch.inference_mode():
            encoded = encode(seen).numpy()
    # Where an encoder is dead for some item, it still has a direction.
    embeddings = normalize(encoded + 1e-7 * rng.normal(size=encoded.shape))
    order = rng.permutation(n)
    return embeddings[order].astype(np.float32), labels[order], world.twin_share


class _World:
    """Items z of classes and nuisances v that are seen as x = W₃ tanh(W₂ tanh(W₁ [z; v])) + noise.

    Parameters
    ----------
    rng : Generator
        Decides what kind of world it is; weights and noise come from torch's.
    closeness : float
        Factor on how far items lie from the middle of their class.
    twins : bool
        Whether some classes may hardly differ from another one.

    Attributes
    ----------
    twin_share : float
        Share of the classes that hardly differ from another one.
    """

    def __init__(self, rng: np.random.Generator, closeness: float, twins: bool) -> None:
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

    def draw(self, sizes: NDArray[np.int64]) -> tuple[Tensor, NDArray[np.int64]]:
        """Return items of new classes of these sizes, (n, n_features), and their classes (n,)."""
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
        items = middles + spread[:, None] * rng.normal(size=middles.shape) * self._class_spectrum

        share = self._nuisance_of_classes
        of_items, of_classes = (rng.normal(size=(k, len(self._nuisance_spectrum))) for k in (len(labels), n_classes))
        nuisances = ((1 - share**2) ** 0.5 * of_items + share * of_classes[labels]) * self._nuisance_spectrum
        return self._see(np.concatenate([items, nuisances], axis=1)), labels

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


def _trained(world: _World, n_features: int, rng: np.random.Generator) -> Encoder:
    """Train an encoder on classes of that world."""
    n_classes, n_items = int(np.exp(rng.uniform(*np.log([30, 400])))), int(rng.integers(8, 40))
    seen, labels = world.draw(np.full(n_classes, n_items))
    mean, deviation = seen.mean(dim=0), seen.std(dim=0) + 1e-3
    if rng.random() < _UNTRAINED:
        projection = torch.randn(world.n_features, n_features)
        return lambda x: ((x - mean) / deviation) @ projection
    network = _network(world.n_features, int(rng.choice([128, 256])), n_features, normed=rng.random() < 0.5)
    classes = nn.Parameter(torch.randn(n_classes, n_features) / n_features**0.5)
    by_cosine, scale, margin = rng.random() < 0.65, rng.choice([12.0, 20.0, 32.0]), rng.choice([0.0, 0.0, 0.2, 0.35])
    n_epochs = np.exp(rng.uniform(*np.log([2, 25])))
    n_steps = int(np.clip(n_epochs * len(seen) / _BATCH_SIZE, _FEWEST_STEPS, _MOST_STEPS))
    optimizer = torch.optim.AdamW([*network.parameters(), classes], weight_decay=10 ** rng.uniform(-3, -1))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=n_steps)
    inputs, targets = (seen - mean) / deviation, torch.from_numpy(labels)
    for _ in range(n_steps):
        batch = torch.randint(len(inputs), (_BATCH_SIZE,))
        embedded = network(inputs[batch] + 0.1 * torch.randn(_BATCH_SIZE, world.n_features))
        if by_cosine:
            logits = scale * (unit(embedded) @ unit(classes).T - margin * one_hot(targets[batch], n_classes))
        else:
            logits = embedded @ classes.T
        optimizer.zero_grad()
        cross_entropy(logits, targets[batch]).backward()
        optimizer.step()
        schedule.step()
    network.eval()
    return lambda x: network((x - mean) / deviation)


def _network(n_inputs: int, hidden: int, n_outputs: int, normed: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in in (n_inputs, hidden):
        layers += [nn.Linear(n_in, hidden), nn.BatchNorm1d(hidden), nn.ReLU()]
    layers.append(nn.Linear(hidden, n_outputs))
    return nn.Sequential(*layers, *([nn.BatchNorm1d(n_outputs)] if normed else []))
