"""The report's figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hilander.evaluation.point_labels import PointLabel, label_points
from hilander.evaluation.result import MethodResult
from hilander.reporting.drawing import BASELINE, CEILING, OURS, PALE, PUBLISHED, RULE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def plot_precision_recall(results: Sequence[MethodResult], ours: str) -> Figure:
    """Where every method stands between precision and recall, pairwise and BCubed, over curves of equal F."""
    figure, axes = new_figure(1, 2, width=9.6, height=4.5)
    scored = [result for result in results if result.metrics]
    panels = []
    for axis, kind, title in zip(axes, ("pairwise", "bcubed"), ("Pairwise", "BCubed"), strict=True):
        points = np.array([[row.metrics[f"recall_{kind}"], row.metrics[f"precision_{kind}"]] for row in scored])
        low = np.maximum(0, np.floor(points.min(axis=0) * 20 - 0.5) / 20)  # recall, precision
        axis.set(xlim=(low[0], 1.01), ylim=(low[1], 1.01), xlabel="recall", ylabel="precision", title=title)
        _draw_equal_f(axis, *low)
        for (recall, precision), result in zip(points, scored, strict=True):
            colour = _colour(result, ours)
            hollow = {"facecolors": "white", "edgecolors": colour, "linewidths": 1.3} if result.is_ceiling else {}
            size = 70 if result.name == ours else 30
            axis.scatter(recall, precision, s=size, zorder=3, **(hollow or {"color": colour, "linewidths": 0}))
        panels.append((axis, points))
    for axis, points in panels:
        texts = [PointLabel(r.short_title, _colour(r, ours), r.name == ours, r.is_ceiling) for r in scored]
        label_points(figure, axis, points, texts)
    return figure


@styled
def plot_sizes(sizes: pd.DataFrame) -> Figure:
    """Number of true classes and of clusters by size; takes `hilander.evaluation.diagnostics.cluster_sizes`."""
    figure, (axis,) = new_figure(1, 1, width=4.6, height=4.2)
    place = np.arange(len(sizes))
    axis.bar(place - 0.2, sizes["classes"], 0.4, color=PALE, label="true classes")
    axis.bar(place + 0.2, sizes["clusters"], 0.4, color=OURS, label="clusters")
    axis.set_xticks(place, sizes["items"], rotation=45 if len(sizes) > 6 else 0)
    axis.set(xlabel="items", ylabel="how many")
    axis.legend(frameon=False)
    return figure


@styled
def plot_reliability(reliability: pd.DataFrame) -> Figure:
    """Probability against the agreement found; takes `hilander.evaluation.diagnostics.reliability`."""
    figure, (axis, below) = new_figure(2, 1, width=4.6, height=4.2, height_ratios=(4, 1), sharex=True)
    axis.plot([0, 1], [0, 1], color=RULE, linewidth=1.2, zorder=1)
    axis.plot(reliability["probability"], reliability["agreement"], "o-", color=OURS, markersize=5, linewidth=1.4)
    axis.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share of cluster mates of one's class", aspect="auto")
    below.bar(reliability["probability"], reliability["items"], 0.07, color=PALE)
    below.set(xlabel="probability", ylabel="items")
    return figure


@styled
def plot_precision_coverage(table: pd.DataFrame) -> Figure:
    """Precision of the surest items; takes `hilander.evaluation.diagnostics.precision_coverage`."""
    figure, (axis,) = new_figure(1, 1, width=4.6, height=3.2)
    axis.plot(table["coverage"], table["precision"], "o-", color=OURS, markersize=4, linewidth=1.4)
    axis.set(xlim=(0, 1.02), xlabel="share of the items, surest first", ylabel="share of cluster mates of one's class")
    axis.set_ylim(max(0, table["precision"].min() - 0.05), 1.01)
    return figure


@styled
def plot_history(history: pd.DataFrame, title: str) -> Figure:
    """Training curves: the first column along the bottom, a panel for each other one that holds numbers."""
    x, *columns = [name for name in history.columns if pd.api.types.is_numeric_dtype(history[name])]
    columns = [name for name in columns if history[name].notna().any()]
    figure, axes = new_figure(1, max(1, len(columns)), width=3.2 * max(1, len(columns)), height=2.4)
    for axis, name in zip(axes, columns, strict=False):
        axis.plot(history[x], history[name], color=PUBLISHED, linewidth=1.5)
        axis.set(xlabel=x.replace("_", " "))
        axis.set_title(f"{title}: {name.replace('_', ' ')}", fontsize=9)
    return figure


def _colour(result: MethodResult, ours: str) -> str:
    if result.name == ours:
        return OURS
    if result.is_ceiling:
        return CEILING
    return PUBLISHED if result.name == "published" else BASELINE


def _draw_equal_f(axis: Axes, lowest_recall: float, lowest_precision: float) -> None:
    for f in np.arange(0.1, 1.0, 0.1):
        recall = np.linspace(max(lowest_recall, f / (2 - f)), 1, 200)  # precision is 1 at f / (2 - f)
        precision = f * recall / (2 * recall - f)
        recall, precision = recall[precision >= lowest_precision], precision[precision >= lowest_precision]
        if len(recall) > 1:
            axis.plot(recall, precision, color=RULE, linewidth=0.8, zorder=1)
            at_edge = recall[-1] == 1  # else the curve leaves through the bottom
            axis.annotate(
                f"{f:.1f}",
                (float(recall[-1]), float(precision[-1])),
                xytext=(4, 0) if at_edge else (0, 4),
                textcoords="offset points",
                fontsize=7,
                color=CEILING,
                va="center" if at_edge else "bottom",
            )
