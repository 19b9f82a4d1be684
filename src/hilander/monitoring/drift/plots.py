"""The drift report's figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hilander.monitoring.drift.monitor import Comparison
from hilander.reporting.drawing import BASELINE, INK, OURS, PALE, RULE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FARTHEST = 3.0  # excess at which points are drawn at the edge


@styled
def plot_statistics(comparison: Comparison) -> Figure:
    """Each statistic of the window beside those of healthy windows, on one scale: 1 is the threshold."""
    statistics = sorted(comparison.verdict.statistics, key=lambda statistic: statistic.excess)
    figure, (axis,) = new_figure(1, 1, width=9.6, height=0.34 * len(statistics) + 0.9)
    draws = np.array([comparison.calibration.excess(row) for row in _draws(comparison)])
    for place, statistic in enumerate(statistics):
        healthy = np.array([row[statistic.name] for row in draws])
        axis.scatter(healthy, np.full(len(healthy), place), s=9, color=PALE, alpha=0.5, linewidths=0)
        colour = OURS if statistic.drifted else INK
        shown = float(np.clip(statistic.excess, -1.5, _FARTHEST))
        axis.scatter(shown, place, s=52, color=colour, zorder=3, marker=">" if statistic.excess > _FARTHEST else "o")
    axis.axvline(1, color=OURS, linewidth=1.2)
    axis.annotate("limit", (1, len(statistics) - 0.4), color=OURS, fontsize=8, ha="center", annotation_clip=False)
    axis.set_yticks(range(len(statistics)), [statistic.title for statistic in statistics])
    axis.tick_params(axis="y", colors=INK)
    axis.set(xlim=(-1.6, _FARTHEST + 0.15), ylim=(-0.6, len(statistics) - 0.4))
    axis.set_xticks([0, 1, 2, 3], ["usual", "1 ×", "2 ×", "3 × the limit"])
    axis.grid(axis="y", color=RULE, linewidth=0.6)
    axis.set_axisbelow(True)
    return figure


@styled
def plot_maps(comparison: Comparison) -> Figure:
    """Reference and window over the reference's two leading principal components, side by side."""
    figure, axes = new_figure(1, 2, width=9.6, height=4.3, dpi=150)
    both = np.concatenate([comparison.reference, comparison.window])
    low, high = both.min(axis=0), both.max(axis=0)
    edge = 0.04 * (high - low)
    for axis, title, shown, colour in (
        (axes[0], "Reference", comparison.reference, BASELINE),
        (axes[1], "Window", comparison.window, OURS),
    ):
        axis.scatter(*both.T, s=4, color=RULE, linewidths=0, rasterized=True)
        axis.scatter(*shown.T, s=5, color=colour, alpha=0.6, linewidths=0, rasterized=True)
        axis.set(xlim=(low[0] - edge[0], high[0] + edge[0]), ylim=(low[1] - edge[1], high[1] + edge[1]))
        axis.set_title(title, fontsize=9)
        axis.tick_params(axis="y", colors=INK)
        axis.set(xlabel="principal component 1", ylabel="principal component 2")
    return figure


@styled
def plot_scalars(comparison: Comparison, titles: dict[str, str]) -> Figure:
    """Distribution of each scalar, in the window and in healthy windows."""
    names = [name for name in comparison.healthy.columns if name != "singleton"]
    rows = math.ceil(len(names) / 4)
    figure, axes = new_figure(rows, 4, width=9.6, height=1.9 * rows)
    for axis, name in zip(axes, names, strict=False):
        usual, now = comparison.healthy[name].to_numpy(), comparison.scalars[name].dropna().to_numpy()
        low, high = np.quantile(np.concatenate([usual, now]), [0.001, 0.999])
        edges = np.linspace(low, high, 31)
        for values, style in ((usual, {"color": PALE}), (now, {"histtype": "step", "color": OURS})):
            axis.hist(
                np.clip(values, edges[0], edges[-1]), edges, weights=np.full(len(values), 1 / len(values)), **style
            )
        axis.set_title(titles[name], fontsize=8, fontweight="normal")
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    return figure


def _draws(comparison: Comparison) -> list[dict[str, float]]:
    names = comparison.calibration.names
    return [dict(zip(names, row, strict=True)) for row in comparison.calibration.draws]
