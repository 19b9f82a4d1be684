"""Embeddings of known classes: as they are, with their classes unevenly thinned, and seen in fewer dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hilander.graph.knn import nearest_neighbors
from hilander.graph.relations import N_CONTEXT

_STEEPEST = 3.0
_SHARE_OF_DIMENSIONS = 0.3
_FEWEST_DIMENSIONS = 16


@dataclass(frozen=True)
class LabelledSet:
    """Embeddings of known classes, which make one set of graphs.

    Attributes
    ----------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1, n >= 2.
    labels : ndarray of shape (n,), int64
    neighbors : tuple of ndarrays of shape (n, >= 40), optional
        Neighbours and similarities, where they are known already.
    is_view : bool
        Whether the items are those of another set, seen otherwise: fewer parts of its graphs are enough.
    """

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    neighbors: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None
    is_view: bool = False

    @cached_property
    def nearest(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The 40 nearest neighbours, or all others, and their similarities."""
        found = self.neighbors
        if found is None or found[0].shape[1] < min(N_CONTEXT, len(self.embeddings) - 1):
            found = nearest_neighbors(self.embeddings, N_CONTEXT)
        return found[0][:, :N_CONTEXT], found[1][:, :N_CONTEXT]


def thinned(labelled: LabelledSet, *, seed: int) -> LabelledSet:
    """Keep a random share of each class, so that large, small and single ones stand side by side.

    Labelled classes are often of one size where unknown ones are not. The share is u to a power: u uniform within
    [0, 1] for each class, the power for the whole set, from 1 (half of the items are left) to 3 (a quarter).

    Parameters
    ----------
    labelled : LabelledSet
    seed : int

    Returns
    -------
    LabelledSet
        Labels are 0..C-1 anew; of every class at least one item is left.
    """
    rng = np.random.default_rng(seed)
    shares = rng.random(int(labelled.labels.max()) + 1) ** rng.uniform(1, _STEEPEST)
    order = rng.permutation(len(labelled.labels))
    first = order[np.unique(labelled.labels[order], return_index=True)[1]]
    kept = rng.random(len(labelled.labels)) < shares[labelled.labels]
    kept[first] = True
    return LabelledSet(labelled.embeddings[kept], np.unique(labelled.labels[kept], return_inverse=True)[1])


def projected(labelled: LabelledSet, *, seed: int) -> LabelledSet:
    """Look at the embeddings in a random subspace of three tenths of their dimensions.

    An encoder parts the classes that it learned from better than those it has never seen. With less to tell them by,
    known classes are confused as unknown ones will be, and in another way in each subspace.

    Parameters
    ----------
    labelled : LabelledSet
    seed : int

    Returns
    -------
    LabelledSet
        Of at least 16 dimensions, or as many as there are.
    """
    d = labelled.embeddings.shape[1]
    width = min(max(round(_SHARE_OF_DIMENSIONS * d), _FEWEST_DIMENSIONS), d)
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, width)))[0].astype(np.float32)
    rows = labelled.embeddings @ basis
    return LabelledSet(rows / np.linalg.norm(rows, axis=1, keepdims=True), labelled.labels, is_view=True)
