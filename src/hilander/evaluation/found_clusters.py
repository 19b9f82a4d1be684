"""What a person is shown of clusters whose true classes nobody knows: sizes, confidence, and some of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.data.errors import DataError
from hilander.evaluation.diagnostics import cluster_sizes
from hilander.evaluation.examples import Example, Group
from hilander.evaluation.thumbnails import ImageSource, draw_strip
from hilander.reporting import png_url
from hilander.reporting.drawing import OURS, PALE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LARGEST, _LEAST_SURE, _ITEMS_SHOWN, _NAMES_SHOWN = 12, 12, 22, 5


def found_clusters(table: pd.DataFrame, images: ImageSource | None = None) -> dict[str, object]:
    """Return what ``found_clusters.html.j2`` shows, by the names that it reads.

    Parameters
    ----------
    table : DataFrame
        ``id``, ``cluster``, ``probability`` of every item; cluster -1 is none.
    images : ImageSource, optional
        Image of each item by its row; without it, or where one of a cluster cannot be read, items are named.

    Raises
    ------
    ImportError
        Matplotlib is not installed.
    """
    within = table[table["cluster"] >= 0]
    clusters = within.groupby("cluster", sort=True)["probability"].agg(items="size", probability="mean").reset_index()
    largest = clusters.sort_values(["items", "cluster"], ascending=[False, True]).head(_LARGEST)
    least_sure = clusters[clusters["items"] > 1].nsmallest(_LEAST_SURE, "probability")
    return {
        "counts": {
            "items": len(table),
            "clusters": len(clusters),
            "clusters_of_one": int((clusters["items"] == 1).sum()),
            "in_none": len(table) - len(within),
        },
        "median": float(table["probability"].median()),
        "sizes": _plot_sizes(within["cluster"].to_numpy()) if len(within) else None,
        "confidence": _plot_confidence(table["probability"].to_numpy()),
        "largest": [_shown(row, table, images) for row in largest.itertuples()],
        "least_sure": [_shown(row, table, images) for row in least_sure.itertuples()],
    }


def _shown(row: Any, table: pd.DataFrame, images: ImageSource | None) -> dict[str, object]:
    """One cluster with some of its items, spread from the surest to the least sure."""
    rows = np.flatnonzero(table["cluster"].to_numpy() == row.cluster)
    rows = rows[np.argsort(-table["probability"].to_numpy()[rows], kind="stable")]
    known = {"cluster": row.cluster, "items": row.items, "probability": row.probability}
    if images is not None:
        with contextlib.suppress(DataError):  # removed or altered since it was embedded: the items are named instead
            strip = draw_strip(Example("", "", (Group("", row.items, _spread(rows, _ITEMS_SHOWN)),)), images)
            return known | {"strip": png_url(strip), "width": strip.width // 2}
    names = ", ".join(table["id"].iloc[_spread(rows, _NAMES_SHOWN)].astype(str))
    return known | {"names": names + (", …" if row.items > _NAMES_SHOWN else ""), "strip": None}


def _spread(rows: NDArray[np.int64], n_shown: int) -> NDArray[np.int64]:
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), n_shown)).round().astype(np.int64)]


@styled
def _plot_sizes(clusters: NDArray[np.int64]) -> Figure:
    """Clusters by the number of their items."""
    bins = cluster_sizes(clusters, clusters)
    figure, (axis,) = new_figure(1, 1, width=4.6, height=3.4)
    place = np.arange(len(bins))
    axis.bar(place, bins["clusters"], 0.75, color=OURS)
    axis.set_xticks(place, bins["items"], rotation=45 if len(bins) > 6 else 0)
    axis.set(xlabel="items in the cluster", ylabel="clusters")
    return figure


@styled
def _plot_confidence(probabilities: NDArray[np.floating]) -> Figure:
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
