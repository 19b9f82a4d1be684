"""Class-disjoint splits: what is learned on some classes is measured on others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hilander.config import DataParams
from hilander.data.dataset import Dataset
from hilander.data.errors import DataError, some


def split_classes(labels: NDArray | Sequence[str], test_share: float, seed: int = 0) -> NDArray[np.bool_]:
    """Hold whole classes out.

    Classes are ordered by a hash of seed and name, and the first `test_share` of them are held out. So the split
    depends on the names alone: not on the order or number of the rows, nor on the platform.

    Parameters
    ----------
    labels : (n,)
        Class of each row.
    test_share : float
        Share of the classes held out, between 0 and 1; at least one class stays on either side.
    seed : int
        Another seed, another choice of classes.

    Returns
    -------
    (n,) bool
        True where the row's class is held out.

    Raises
    ------
    DataError
        `test_share` is not between 0 and 1, or there are fewer than two classes.
    """
    if not 0 < test_share < 1:
        raise DataError(f"test_share must lie between 0 and 1 (both excluded), got {test_share}")
    classes, members = np.unique(np.asarray(labels).astype(str), return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"expected at least 2 classes to split, got {len(classes)}: {some(classes)}")
    order = np.argsort([hashlib.sha256(f"{seed}/{name}".encode()).hexdigest() for name in classes])
    n_test = min(max(round(test_share * len(classes)), 1), len(classes) - 1)
    held_out = np.zeros(len(classes), dtype=bool)
    held_out[order[:n_test]] = True
    return held_out[members]


def with_splits(dataset: Dataset, params: DataParams) -> Dataset:
    """Return the items that are trained or tested on, each with its split; made by class where the data name none.

    Raises
    ------
    DataError
        `params` name one split twice; no split is named and there are no labels to make one by; or a named split has
        no item.
    """
    if params.train_split == params.test_split:
        raise DataError(
            f"expected two splits, but data.train_split and data.test_split in params.yaml are both "
            f"'{params.train_split}'; name another one to test on"
        )
    if dataset.splits is not None:
        for name in (params.train_split, params.test_split):
            dataset.split(name)  # raises where it is empty
        return dataset.subset(np.isin(dataset.splits, (params.train_split, params.test_split)))
    if dataset.labels is None:
        raise DataError(
            "these data name neither labels nor splits, so there is nothing to learn from; see docs/data.md"
        )
    held_out = split_classes(dataset.labels, params.test_share, params.seed)
    return replace(dataset, splits=np.where(held_out, params.test_split, params.train_split))


def train_test(dataset: Dataset, params: DataParams) -> tuple[Dataset, Dataset]:
    """Return the items of the training classes and those of the unseen classes.

    Raises
    ------
    DataError
        As `with_splits`; or a label is missing; or a class has items in both, which the message names.
    """
    dataset = with_splits(dataset, params)
    if dataset.labels is None or (dataset.labels == "").any():
        unlabelled = dataset.ids if dataset.labels is None else dataset.ids[dataset.labels == ""]
        raise DataError(f"labels are missing, for instance of {some(unlabelled)}; label these items or leave them out")
    train, test = dataset.split(params.train_split), dataset.split(params.test_split)
    shared = np.intersect1d(train.classes, test.classes)
    if len(shared):
        raise DataError(
            f"the splits '{params.train_split}' and '{params.test_split}' must share no class, but both hold "
            f"{some(shared)}; move each class to one of the two"
        )
    return train, test
