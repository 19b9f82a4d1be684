"""Drawn classes as a trained encoder embeds them: it has learned to tell others of their kind apart.

Points drawn around centres lack what embeddings of unseen classes have: an encoder stretches what told its training
classes apart, folds away part of what did not, and confuses some classes that it has never had to separate. So worlds
are drawn in which items of a class and whatever else varies are seen through a random network; a small encoder is
trained on some of a world's classes and embeds others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.nn.functional import normalize as unit

from hilander.data.synthetic_embeddings import draw_class_sizes
from hilander.metrics import one_nn_accuracy
from hilander.training.principal_components import principal_components
from hilander.training.worlds import World

_MEAN_SIZES = (4.0, 600.0)  # of the classes of a draw
_FEWEST_CLASSES = 8
_LOWEST_ONE_NN = (0.6, 0.93)  # a draw in which fewer items lie next to one of their class is drawn anew, closer
_LOWEST_ONE_NN_WITH_STYLES = (0.8, 0.97)  # and near copies do not count
_CLOSER = 0.65
_MOST_DRAWS = 6
_JUDGED_ITEMS = 3000
_UNTRAINED = 0.12  # of the encoders are a mere random projection
_MOST_STEPS = 700
_FEWEST_STEPS = 30
_BATCH_SIZE = 128
_LEARNING_RATE = 3e-3

Encoder = Callable[[Tensor], Tensor]


def draw_encoded(
    n: int,
    n_features: int,
    *,
    seed: int,
    twins: bool = False,
    styles: bool = False,
    mean_sizes: tuple[float, float] = _MEAN_SIZES,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw a world, train an encoder on some of its classes, and embed items of others.

    What varies from draw to draw: sizes of classes (equal to long-tailed, on average 4 to 600 unless told otherwise,
    though never so large that fewer than 8 fit), how many directions
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
    styles : bool
        Items of all classes come in the same few styles, so that a class is made of groups of near copies; some
        encoders are mere principal components, and some embeddings are rectified or have a mean far from zero.
    mean_sizes : (float, float)
        From where to where the mean size of the classes is drawn.

    Returns
    -------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1, in random order.
    labels : ndarray of shape (n,), int64
        Outliers are classes of one.
    """
    lowest = np.random.default_rng([seed, 1]).uniform(*(_LOWEST_ONE_NN_WITH_STYLES if styles else _LOWEST_ONE_NN))
    for attempt in range(_MOST_DRAWS):
        drawn = _draw(n, n_features, seed, _CLOSER**attempt, twins, styles, mean_sizes)
        embeddings, labels = drawn.embeddings[:_JUDGED_ITEMS], drawn.labels[:_JUDGED_ITEMS]
        accuracy = _one_nn_of_unlike(drawn) if styles else one_nn_accuracy(embeddings, labels)
        # An item of a class that has a twin, or is one, lies next to an item of the other one half of the time.
        if accuracy > lowest * (1 - drawn.twin_share):
            break
    return drawn.embeddings, drawn.labels


class _Draw(NamedTuple):
    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    alike: NDArray[np.int64]  # items with one number may be near copies of each other
    twin_share: float


def _one_nn_of_unlike(drawn: _Draw) -> float:
    """Share of items next to one of their class, where of those that may be near copies only one is there.

    A class may be but one group of near copies: what then is left of it has no mates, and is not asked for any.
    """
    unlike = np.unique(drawn.alike, return_index=True)[1]
    unlike = np.sort(unlike)[:_JUDGED_ITEMS]
    labels = drawn.labels[unlike]
    has_mates = np.bincount(labels)[labels] > 1
    if has_mates.sum() < 2:
        return 1.0
    return one_nn_accuracy(drawn.embeddings[unlike[has_mates]], labels[has_mates])


def _draw(
    n: int,
    n_features: int,
    seed: int,
    closeness: float,
    twins: bool,
    styles: bool,
    mean_sizes: tuple[float, float],
) -> _Draw:
    rng = np.random.default_rng([seed, 0])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        world = World(rng, closeness, twins, styles)
        encode = _trained(world, n_features, rng, styles)
        n_outliers = int(n * rng.choice([0.0, 0.0, 0.01, 0.05]))
        mean = np.exp(rng.uniform(*np.log([mean_sizes[0], np.clip(n / _FEWEST_CLASSES, *mean_sizes)])))
        tails = [0.0, *([rng.uniform(0, 0.25)] if twins else []), rng.uniform(0, 1.2)]
        tail = rng.choice(tails)
        sizes = draw_class_sizes(n - n_outliers, mean=mean, tail=tail, rng=rng)
        sizes = np.concatenate([sizes, np.ones(n_outliers, np.int64)])
        seen, labels, alike = world.draw(sizes)
        with torch.inference_mode():
            encoded = encode(seen).numpy()
    if styles:
        encoded = _off_center(encoded, rng)
    # Where an encoder is dead for some item, it still has a direction.
    embeddings = normalize(encoded + 1e-7 * rng.normal(size=encoded.shape))
    order = rng.permutation(n)
    return _Draw(embeddings[order].astype(np.float32), labels[order], alike[order], world.twin_share)


def _off_center(encoded: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Rectify some, as pooled features of convolutional networks are, and move some away from zero."""
    kind = rng.choice(["as it is", "rectified", "moved"], p=[0.6, 0.2, 0.2])
    if kind == "rectified":
        return np.maximum(encoded, 0)
    if kind == "moved":
        direction = rng.normal(size=encoded.shape[1])
        by = rng.uniform(0.3, 1.5) * np.linalg.norm(encoded, axis=1).mean() / np.linalg.norm(direction)
        return encoded + (by * direction).astype(np.float32)
    return encoded


def _trained(world: World, n_features: int, rng: np.random.Generator, styles: bool) -> Encoder:
    """Train an encoder on classes of that world."""
    n_classes, n_items = int(np.exp(rng.uniform(*np.log([30, 400])))), int(rng.integers(8, 40))
    seen, labels, _ = world.draw(np.full(n_classes, n_items))
    mean, deviation = seen.mean(dim=0), seen.std(dim=0) + 1e-3
    if rng.random() < _UNTRAINED:
        projection = torch.randn(world.n_features, n_features)
        if styles and rng.random() < 0.5:
            projection = principal_components(
                (seen - mean) / deviation, n_features, whitened=rng.choice([0.0, 0.5, 1.0])
            )
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
