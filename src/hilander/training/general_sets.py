"""Sets to learn from: what the general model learns from, and drawn sets beside one's own labelled one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from hilander.data.synthetic_embeddings import draw_embeddings
from hilander.embeddings import check_embeddings
from hilander.training.encoded_draws import draw_encoded
from hilander.training.labelled_set import LabelledSet, thinned
from hilander.training.picture_draws import draw_pictures

WIDTHS = (32, 64, 128, 256, 512, 1024)
SIZES = (60, 200, 600, 2_000, 2_000, 5_000, 8_000)
N_DRAWN = len(WIDTHS) * len(SIZES)  # which have no factor in common: every pair of them comes once
N_ENCODED, N_STYLED, N_PICTURES, N_LARGE = 112, 28, 56, 24
_FIRST_WITH_TWINS, _FIRST_WITH_STYLES, _FIRST_OF_PICTURES, _FIRST_LARGE = 20_000, 40_000, 60_000, 70_000  # seeds


def general_sets(real: LabelledSet | None = None, *, seed: int = 0, show_progress: bool = False) -> list[LabelledSet]:
    """Return drawn sets, and the real one with eight variants where one is given."""
    sets = [
        *encoded_sets(seed=seed, show_progress=show_progress),
        *encoded_sets(N_STYLED, seed=seed, styles=True, show_progress=show_progress),
        *drawn_sets(seed=seed),
        *picture_sets(seed=seed),
    ]
    return sets if real is None else [*sets, real, *variants(real, 8, seed=seed)]


def sets_for_context(sets: Sequence[LabelledSet], *, show_progress: bool = False) -> list[LabelledSet]:
    """Return `general_sets` with other worlds in the place of theirs, some with classes that hardly differ, and more.

    For the network that sees how many mates all items of a set have. The one that links items does not: where it met
    twins too, F_P on held-out look-alikes fell. This one in turn learns without the worlds with styles: with them it
    took classes that touch for parts of one (docs/method.md).
    """
    worlds = encoded_sets(min(N_ENCODED, len(sets)), twins=True, show_progress=show_progress)
    return [*worlds, *sets[N_ENCODED + N_STYLED :], *large_sets()]


def sets_for_clusters(context_sets: Sequence[LabelledSet]) -> list[LabelledSet]:
    """Return `sets_for_context` without pictures, for the network that sees how large all clusters of a set are.

    Of pictures whole classes fall into many clusters that touch. A network that had learned to join these joined
    classes that an encoder confuses (docs/method.md).
    """
    first = N_ENCODED + N_DRAWN
    return [*context_sets[:first], *context_sets[first + N_PICTURES :]]


@dataclass(frozen=True)
class SetsBeside:
    """Drawn sets to learn from beside one's own, of the kinds that the general model learns from.

    Attributes
    ----------
    items, context, clusters : list of LabelledSet
        For the network that links items, the one that corrects their linkage and the one that links clusters.
    """

    items: list[LabelledSet]
    context: list[LabelledSet]
    clusters: list[LabelledSet]


def sets_beside(n_drawn: int, *, show_progress: bool = False) -> SetsBeside:
    """Return `n_drawn` worlds for each network, a third as many in styles and of pictures, a fifth of large classes.

    As for the general model, worlds whose items come in styles teach the network that links items alone, and pictures
    the one that links clusters not (`sets_for_context`, `sets_for_clusters`). Points around centres are few and of
    large classes: of the other ones, embeddings of unseen classes have little (docs/method.md).
    """
    n_styled, n_pictures, n_large = n_drawn // 3, n_drawn // 3, n_drawn // 5
    worlds, styled, with_twins = (
        encoded_sets(n, twins=twins, styles=styles, show_progress=show_progress)
        for n, styles, twins in ((n_drawn, False, False), (n_styled, True, False), (n_drawn, False, True))
    )
    pictures, large = picture_sets(n_pictures), large_sets(n_large)
    return SetsBeside(
        items=[*worlds, *styled, *pictures],
        context=[*with_twins, *pictures, *large],
        clusters=[*with_twins, *large],
    )


def large_sets(n_draws: int = N_LARGE) -> list[LabelledSet]:
    """Points around few centres: lists of neighbours hold a small part of such classes. Eight hold all `WIDTHS`."""
    shapes = [(n, d) for n in (2_000, 5_000, 8_000, 8_000) for d in WIDTHS]
    # Steps of 5, which has no factor in common with the 24 shapes, so that few sets are of many sizes and widths too.
    chosen = sorted((i // len(shapes), 5 * i % len(shapes)) for i in range(n_draws))
    return [
        LabelledSet(
            *draw_embeddings(*shapes[i], seed=_FIRST_LARGE + len(shapes) * turn + i, mean_sizes=(100.0, 1000.0))
        )
        for turn, i in chosen
    ]


def drawn_sets(n_draws: int = N_DRAWN, *, seed: int = 0) -> list[LabelledSet]:
    """Points around centres, of all `WIDTHS` and `SIZES`."""
    return [LabelledSet(*draw_embeddings(*_shape(i), seed=seed + i)) for i in range(n_draws)]


def picture_sets(n_draws: int = N_PICTURES, *, seed: int = 0) -> list[LabelledSet]:
    """Pictures that no encoder has seen, of all `WIDTHS` and `SIZES`."""
    return [LabelledSet(*draw_pictures(*_shape(i), seed=seed + _FIRST_OF_PICTURES + i)) for i in range(n_draws)]


def encoded_sets(
    n_draws: int = N_ENCODED,
    *,
    seed: int = 0,
    twins: bool = False,
    styles: bool = False,
    show_progress: bool = False,
) -> list[LabelledSet]:
    """Classes as encoders embed them that were trained on others, of all `WIDTHS` and `SIZES`, see `draw_encoded`."""
    draws = tqdm(range(n_draws), desc="drawn sets", unit="set", disable=not (show_progress and n_draws))
    first = seed + _FIRST_WITH_TWINS * twins + _FIRST_WITH_STYLES * styles
    return [LabelledSet(*draw_encoded(*_shape(i), seed=first + i, twins=twins, styles=styles)) for i in draws]


def _shape(i: int) -> tuple[int, int]:
    return SIZES[i % len(SIZES)], WIDTHS[i % len(WIDTHS)]


def variants(real: LabelledSet, n_variants: int, *, seed: int = 0) -> list[LabelledSet]:
    """Other sets from a real one: part of its classes, unevenly thinned, projected to all `WIDTHS`, with noise."""
    others = []
    for i in range(n_variants):
        rng = np.random.default_rng(seed + i)
        width, d = WIDTHS[i % len(WIDTHS)], real.embeddings.shape[1]
        part = thinned(real, seed=seed + i)
        n_classes = int(part.labels.max()) + 1
        kept = np.isin(part.labels, np.flatnonzero(rng.random(n_classes) < rng.uniform(0.3, 1.0)))
        projected = part.embeddings[kept] @ rng.normal(size=(d, width)) / np.sqrt(width)
        noise = rng.uniform(0, 0.6) * rng.normal(size=projected.shape) / np.sqrt(width)
        labels = np.unique(part.labels[kept], return_inverse=True)[1]
        others.append(LabelledSet(check_embeddings(projected + noise), labels))
    return others
