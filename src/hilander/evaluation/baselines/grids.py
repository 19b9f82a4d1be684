"""Every setting that is tried when a baseline is tuned on the training classes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

Setting = dict[str, float | str]


def _product(**values: Sequence[float | str]) -> tuple[Setting, ...]:
    return tuple(dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values()))


def _steps(start: float, stop: float, step: float) -> list[float]:
    return [round(float(value), 6) for value in np.arange(start, stop + step / 2, step)]


GRIDS: dict[str, tuple[Setting, ...]] = {
    "hac_average": _product(distance_threshold=_steps(0.05, 0.95, 0.01)),
    "hac_ward": _product(distance_threshold=_steps(0.5, 6.0, 0.05)),
    "dbscan": _product(min_samples=(2, 3, 5), eps=_steps(0.05, 0.3, 0.0125) + _steps(0.325, 0.7, 0.025)),
    "hdbscan": _product(
        min_cluster_size=(2, 3, 5, 8, 12, 16, 20), min_samples=(1, 2, 3, 5), cluster_selection_method=("eom", "leaf")
    ),
    "connected_components": _product(n_neighbors=(1, 2, 3, 5, 10, 20), similarity_threshold=_steps(0.3, 0.98, 0.02)),
    "chinese_whispers": _product(n_neighbors=(3, 5, 10, 20), similarity_threshold=_steps(0.2, 0.9, 0.025)),
    "finch": _product(partition=tuple(range(8))),
    "leiden": _product(
        n_neighbors=(4, 6, 8, 10, 15, 20), resolution=(0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.13, 0.16, 0.2, 0.3)
    ),
    "infomap": _product(n_neighbors=(3, 4, 5, 10), similarity_threshold=(0.0, 0.3, 0.4, 0.5, 0.6, 0.7)),
}
