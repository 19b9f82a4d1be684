"""How good a clustering is: baselines beside it, plots, and pages for people."""

from hilander.evaluation.baselines import BASELINES, evaluate_baselines
from hilander.evaluation.clusters_page import write_clusters_page
from hilander.evaluation.evaluate import Evaluation, Prediction, evaluate
from hilander.evaluation.report import write_report
from hilander.evaluation.result import MethodResult
from hilander.evaluation.table import format_metrics, format_table

__all__ = [
    "BASELINES",
    "Evaluation",
    "MethodResult",
    "Prediction",
    "evaluate",
    "evaluate_baselines",
    "format_metrics",
    "format_table",
    "write_clusters_page",
    "write_report",
]
