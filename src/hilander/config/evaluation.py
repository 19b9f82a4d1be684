"""Blocks ``evaluate``, ``gate`` and ``monitor``: what a trained model is held against, before and in service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from hilander.allowed_values import Count, Hours, OneOf, Seed, Share

_BASELINES = (
    "kmeans",
    "hac_average",
    "hac_ward",
    "dbscan",
    "hdbscan",
    "connected_components",
    "chinese_whispers",
    "finch",
    "leiden",
    "infomap",
)
Baseline = Annotated[str, OneOf(*_BASELINES)]


@dataclass(frozen=True)
class EvaluateParams:
    """Which methods stand beside ours in the report."""

    baselines: tuple[Baseline, ...] = _BASELINES
    seed: Seed = 0


@dataclass(frozen=True)
class GateParams:
    """Floors that a trained model must keep on unseen classes before the flow puts it into service."""

    min_f_pairwise: Share = 0.0
    min_f_bcubed: Share = 0.0
    max_drop: Share | None = 0.01  # below the model in service; null: not compared
    beat_baselines: bool = True  # higher than the best of `evaluate.baselines`


@dataclass(frozen=True)
class MonitorParams:
    """What the monitoring flow looks at, and when it starts a training."""

    captures: str = "captures"  # folder or fsspec URL that the service writes incoming embeddings to
    window_hours: Hours = 24.0  # how far it looks back
    min_rows: Count = 500  # fewer incoming embeddings give no verdict
    max_rows: Count = 50_000  # of more, the latest
    sustained: Count = 3  # so many verdicts of drift in a row make it sustained
    retrain: bool = False  # start `train` on sustained drift
    cool_down_hours: Hours = 72.0  # between two trainings that drift started
    keep_reports: Count = 100  # the newest, of 5 MB each; of the last `sustained` verdicts in any case
