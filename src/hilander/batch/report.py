"""One HTML file that shows a person what a batch run found, without true labels; nothing is loaded from elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.batch.figures import plot_confidence, plot_sizes
from hilander.data.errors import DataError
from hilander.evaluation.examples import Example, Group
from hilander.evaluation.thumbnails import ImageSource, draw_strip
from hilander.reporting import load_template, png_url, write_page

_LARGEST, _LEAST_SURE, _ITEMS_SHOWN, _NAMES_SHOWN = 12, 12, 22, 5
_SCORES = {"f_pairwise": "pairwise F", "f_bcubed": "BCubed F"}


def write_run_report(
    path: str | Path,
    facts: Mapping[str, Any],
    table: pd.DataFrame,
    *,
    images: ImageSource | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Path:
    """Render a batch run as a self-contained HTML file.

    Parameters
    ----------
    path : path
        Where to; replaced whole or not at all.
    facts : mapping
        What goes into ``run.json``; see `hilander.batch.write_run`.
    table : DataFrame
        ``id``, ``cluster``, ``probability`` of every item.
    images : ImageSource, optional
        Image of each item by its row; without it, or where one of a cluster cannot be read, items are named.
    metrics : mapping, optional
        Of the release on classes never seen, to say how far it can be trusted.

    Raises
    ------
    ImportError
        Matplotlib or Jinja2 is not installed.
    """
    template = load_template("hilander.batch", "report.html.j2")
    clusters = table.groupby("cluster", sort=True)["probability"].agg(items="size", probability="mean").reset_index()
    largest = clusters.sort_values(["items", "cluster"], ascending=[False, True]).head(_LARGEST)
    several = clusters[clusters["items"] > 1]
    return write_page(
        path,
        template,
        facts=facts,
        median=float(table["probability"].median()),
        sizes=plot_sizes(table["cluster"].to_numpy()),
        confidence=plot_confidence(table["probability"].to_numpy()),
        largest=[_shown(row, table, images) for row in largest.itertuples()],
        least_sure=[_shown(row, table, images) for row in several.nsmallest(_LEAST_SURE, "probability").itertuples()],
        scores={title: metrics[name] for name, title in _SCORES.items() if name in metrics} if metrics else {},
        settings=", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts["settings"].items()),
        seconds=", ".join(f"{step} {seconds:,.1f}" for step, seconds in facts["seconds"].items()),
    )


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
