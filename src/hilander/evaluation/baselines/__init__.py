"""Clustering methods that learn nothing but a threshold, to stand beside ours."""

from hilander.evaluation.baselines.point_set import PointSet
from hilander.evaluation.baselines.registry import BASELINES, Baseline
from hilander.evaluation.baselines.tuning import ceiling, evaluate_baselines, tune

__all__ = ["BASELINES", "Baseline", "PointSet", "ceiling", "evaluate_baselines", "tune"]
