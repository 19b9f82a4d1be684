"""The linkage threshold that suits the data at hand, by the model's own linkage and without a label."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Real

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hilander.hierarchy.constraints import Constraints
from hilander.hierarchy.decode import Links
from hilander.hierarchy.decoders import get_decoder
from hilander.hierarchy.levels import Level, LevelGraph
from hilander.hierarchy.next_level import find_roots
from hilander.model_levels import model_levels, remembered
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings

ADAPTED = "adapted"  # in place of a threshold: the one that `adapt_threshold` takes
# Of equals the first, finest one is taken. A class of which the last level sees hundreds of parts, each linked to a
# dozen others, has a mean linkage far below .05.
CANDIDATES = (
    *(0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05),
    *(0.03, 0.02, 0.01, 0.005, 0.002, 0.001),
)
_DOUBT = math.exp(2)  # how far the odds of all links of a set may be off, to either side


def adapt_threshold(
    embeddings: NDArray[np.float32],
    model: ClusteringModel,
    settings: ClusteringSettings,
    *,
    constraints: Constraints | None = None,
    link: Callable[[LevelGraph], Links] | None = None,
    neighbors: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
    random_state: int = 0,
    show_progress: bool = False,
) -> ClusteringSettings:
    """Return the settings with the threshold of `CANDIDATES` under which the clusters have the highest F in doubt.

    How large the classes of unseen data are, and so how far the mean linkage between their parts may fall, is not
    known. But the model says of every pair of neighbours how likely they belong together; a clustering that joins and
    parts these pairs well by the model's own judgement is taken for a good one. See `f_in_doubt`.

    Parameters
    ----------
    embeddings, model, settings, constraints, link, neighbors, random_state, show_progress
        As in `hilander.model_levels.model_levels`.
    """
    link = remembered(link or model.linker())

    def levels_at(threshold: float) -> list[Level]:
        return list(
            model_levels(
                embeddings,
                model,
                replace(settings, linkage_threshold=threshold),
                constraints=constraints,
                link=link,
                neighbors=neighbors,
                random_state=random_state,
                show_progress=show_progress,
            )
        )

    levels = levels_at(min(CANDIDATES))
    if not levels:
        return settings
    items, last = levels[0].links, levels[-1]
    if settings.first_threshold < max(CANDIDATES):  # all levels merge down to the candidate, not the last one alone
        by_all_levels = {threshold: levels_at(threshold)[-1].merged.members for threshold in CANDIDATES}
        chosen = max(CANDIDATES, key=lambda threshold: f_in_doubt(items, by_all_levels[threshold]))
        return replace(settings, linkage_threshold=chosen)
    held = constraints
    if constraints is not None and last.graph.below is not None:
        held = constraints.on(last.graph.nodes.members)
    decoder = get_decoder(settings.decode)

    def expected(threshold: float) -> float:
        parents = decoder(last.links, threshold, last.graph.nodes.sizes, held)
        return f_in_doubt(items, find_roots(parents)[last.graph.nodes.members])

    return replace(settings, linkage_threshold=max(CANDIDATES, key=expected))


def f_in_doubt(links: Links, members: NDArray[np.int64]) -> float:
    """Return the geometric mean of a clustering's expected F where links are too sure and where they are not enough.

    A model that is at a loss in a set is so with most of its links, all to one side: too sure of them or not enough.
    So a clustering should do well under both, with odds of e² times and of 1 / e² times what the model says.

    Parameters
    ----------
    links, members
        As in `expected_f`.
    """
    return math.sqrt(expected_f(links, members, odds=_DOUBT) * expected_f(links, members, odds=1 / _DOUBT))


def expected_f(links: Links, members: NDArray[np.int64], *, odds: float = 1.0) -> float:
    """Return the F of a clustering on the linked pairs, where each is a true pair with the probability of its linkage.

    Twice the expected number of true pairs within clusters, over the expected number of true pairs and the number of
    pairs within clusters. As each item has about as many neighbours, all of them count alike, whatever the size of
    their clusters. Where no pair is within a cluster, the probability that there is no true one: F is 1 then, else 0.

    Parameters
    ----------
    links : Links
        Of level 0.
    members : ndarray of shape (n,), int64
        Cluster of each item.
    odds : float
        Multiplies the odds of every link.
    """
    joined, right, true, none_true = _count(links.source, links.target, links.linkage, members, odds)
    return 2 * right / (true + joined) if joined else none_true


@njit(cache=True, nogil=True)
def _count(source, target, linkage, members, odds):
    """Pairs within clusters, expected true ones among them and among all, and the probability that none is true."""
    joined, right, true, none_true = 0, 0.0, 0.0, 1.0
    for e in range(len(source)):
        p = np.float64(linkage[e])
        p = odds * p / (odds * p + 1 - p)
        true += p
        none_true *= 1 - p
        if members[source[e]] == members[target[e]]:
            joined += 1
            right += p
    return joined, right, true, none_true


def multiply_odds(threshold: float, granularity: float) -> float:
    """Return the threshold whose odds are so many times those of `threshold`.

    Raises
    ------
    ValueError
        The granularity is not a number above 0.

    Examples
    --------
    >>> multiply_odds(0.5, 3.0)
    0.75
    """
    is_number = isinstance(granularity, Real) and not isinstance(granularity, bool)
    if not (is_number and granularity > 0 and math.isfinite(granularity)):
        asked = "granularity must be above 0, 1 for the model's own and higher for finer"
        raise ValueError(f"{asked}; got {granularity!r}")
    if granularity == 1:
        return threshold  # to the last bit
    granularity = float(granularity)  # NumPy's numbers compute in a precision of their own
    return granularity * threshold / (granularity * threshold + 1 - threshold)
