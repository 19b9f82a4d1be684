"""The decoders by name: from a level's links, a threshold and constraints to its forest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hilander.hierarchy.average_linkage import average_linkage, sum_by_key
from hilander.hierarchy.constrained_tree import constrained_tree
from hilander.hierarchy.constraints import Constraints
from hilander.hierarchy.decode import Links, parents_from_labels, tree_parents

Decoder = Callable[[Links, float, NDArray[np.int64], Constraints | None], NDArray[np.int64]]

_LEAST_THRESHOLD = 1e-9  # average linkage asks for some evidence


def tree(
    links: Links, threshold: float, sizes: NDArray[np.int64], constraints: Constraints | None = None
) -> NDArray[np.int64]:
    """Keep each node's likeliest edge from a denser one, as published; `sizes` do not matter."""
    if constraints is None:
        return tree_parents(links, threshold)
    return parents_from_labels(constrained_tree(links, threshold, constraints), links.density)


def average(
    links: Links, threshold: float, sizes: NDArray[np.int64], constraints: Constraints | None = None
) -> NDArray[np.int64]:
    """Merge nodes while the mean linkage between all pairs of their items, absent pairs counting 0, is high enough.

    One wrong edge of a tree joins two clusters; here it is outvoted by the pairs that speak against it. A
    pair that stands in both directions counts with its mean.
    """
    low, high = np.minimum(links.source, links.target), np.maximum(links.source, links.target)
    n = len(links.density)
    edges = np.stack([low, high], axis=1)
    linkage: NDArray[np.floating] = links.linkage
    keys = low * n + high
    del low, high
    if not (keys[1:] > keys[:-1]).all():
        keys, (total, count) = sum_by_key(keys, linkage, np.ones(len(keys)))
        edges, linkage = np.stack([keys // n, keys % n], axis=1), total / count
    del keys
    labels = average_linkage(edges, linkage, n, max(threshold, _LEAST_THRESHOLD), sizes, constraints)
    return parents_from_labels(labels, links.density)


DECODERS: dict[str, Decoder] = {"tree": tree, "average_linkage": average}


def get_decoder(name: str) -> Decoder:
    """Return the decoder of that name.

    Raises
    ------
    ValueError
        There is none.
    """
    if not isinstance(name, str) or name not in DECODERS:
        raise ValueError(f"decode must be one of {', '.join(DECODERS)}; got {name!r}")
    return DECODERS[name]
