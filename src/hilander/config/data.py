"""Blocks ``data``, ``validate`` and ``graph``: what is learned from, and what it must keep to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from hilander.allowed_values import Count, NotNegative, OneOf, Share


@dataclass(frozen=True)
class DataParams:
    """Where the labelled and the unseen classes come from."""

    path: str = "data"  # file or folder, any format of hilander.data.read_dataset
    format: Annotated[
        str, OneOf("auto", "parquet", "npy", "npz", "learn_to_cluster", "official_pickle", "image_folder")
    ] = "auto"
    train_split: str = "train"
    test_split: str = "test"
    test_share: Share = 0.3  # share of the classes held out where the data name no split
    seed: int = 0


@dataclass(frozen=True)
class ValidateParams:
    """Floors and ceilings that the raw data must keep before anything is trained on them."""

    min_classes: Count = 10  # in each split
    min_items_per_class: NotNegative = 2.0  # mean over the classes of each split
    max_near_empty_share: Share = 0.01  # images that show next to nothing
    max_duplicate_share: Share = 0.05  # items whose content came before


@dataclass(frozen=True)
class GraphParams:
    """k-nearest-neighbour graph of level 0."""

    n_neighbors: Count = 10
    method: Annotated[str, OneOf("auto", "exact", "ivf")] = "auto"
