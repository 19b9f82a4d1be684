"""How good a clustering is: baselines beside it, plots, and pages for people."""

from hilander.evaluation.baselines import BASELINES, evaluate_baselines
from hilander.evaluation.clusters_page import write_clusters_page
from hilander.evaluation.evaluate import Evaluation, Prediction, evaluate
from hilander.evaluation.held_out import HeldOutScores, score_on_held_out_classes
from hilander.evaluation.report import write_report
from hilander.evaluation.result import MethodResult
from hilander.evaluation.table import format_metrics, format_table

__all__ = [
    "BASELINES",
    "Evaluation",
    "HeldOutScores",
    "MethodResult",
    "Prediction",
    "evaluate",
    "evaluate_baselines",
    "format_metrics",
    "format_table",
    "score_on_held_out_classes",
    "write_clusters_page",
    "write_report",
]
