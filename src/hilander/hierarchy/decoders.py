"""The decoders by name: from a level's links and a threshold to its forest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hilander.hierarchy.average_linkage import average_linkage
from hilander.hierarchy.decode import Links, parents_from_labels, tree_parents

Decoder = Callable[[Links, float], NDArray[np.int64]]


def average_linkage_parents(links: Links, threshold: float) -> NDArray[np.int64]:
    """Merge clusters while the mean linkage between them, absent pairs counting 0, exceeds `threshold`.

    One wrong edge of a tree joins two clusters; here it is outvoted by the pairs that speak against it. A
    pair that stands in both directions counts with its mean.
    """
    low, high = np.minimum(links.source, links.target), np.maximum(links.source, links.target)
    n = len(links.density)
    pairs, inverse, counts = np.unique(low * n + high, return_inverse=True, return_counts=True)
    linkage = (np.bincount(inverse, links.linkage) / counts).astype(np.float32)
    edges = np.stack([pairs // n, pairs % n], axis=1)
    return parents_from_labels(average_linkage(edges, linkage, n, threshold), links.density)


DECODERS: dict[str, Decoder] = {"tree": tree_parents, "average_linkage": average_linkage_parents}


def get_decoder(name: str) -> Decoder:
    """Return the decoder of that name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in DECODERS:
        raise ValueError(f"decode must be one of {', '.join(DECODERS)}; got {name!r}")
    return DECODERS[name]
