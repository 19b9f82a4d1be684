"""The batch report's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hilander.evaluation.diagnostics import cluster_sizes
from hilander.reporting.drawing import OURS, PALE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def plot_sizes(clusters: NDArray[np.int64]) -> Figure:
    """Clusters, and the items in them, by cluster size."""
    bins = cluster_sizes(clusters, clusters)
    figure, (axis,) = new_figure(1, 1, width=4.6, height=3.4)
    place = np.arange(len(bins))
    axis.bar(place, bins["clusters"], 0.75, color=OURS)
    axis.set_xticks(place, bins["items"], rotation=45 if len(bins) > 6 else 0)
    axis.set(xlabel="items in the cluster", ylabel="clusters")
    return figure


@styled
def plot_confidence(probabilities: NDArray[np.floating]) -> Figure:
    """Items by their probability of belonging to their cluster, and the median."""
    figure, (axis,) = new_figure(1, 1, width=4.6, height=3.4)
    axis.hist(probabilities, np.linspace(0, 1, 21), color=PALE, rwidth=0.9)
    median = float(np.median(probabilities))
    axis.axvline(median, color=OURS, linewidth=1.4)
    axis.annotate(
        f"median {median:.2f}",
        (median, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if median > 0.5 else 4, 1),
        textcoords="offset points",
        ha="right" if median > 0.5 else "left",
        va="bottom",
        color=OURS,
        fontsize=8,
    )
    axis.set(xlim=(0, 1), xlabel="probability", ylabel="items")
    return figure
