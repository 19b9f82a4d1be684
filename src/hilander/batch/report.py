"""One HTML file that shows a person what a batch run found, without true labels; nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilander.batch.figures import plot_confidence, plot_sizes
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
        Image of each item by its row; without it items are named.
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
    n_shown = min(len(rows), _ITEMS_SHOWN if images is not None else _NAMES_SHOWN)
    rows = rows[np.linspace(0, len(rows) - 1, n_shown).round().astype(np.int64)]
    known = {"cluster": row.cluster, "items": row.items, "probability": row.probability}
    if images is None:
        names = ", ".join(table["id"].iloc[rows].astype(str))
        return known | {"names": names + (", …" if row.items > n_shown else ""), "strip": None}
    strip = draw_strip(Example("", "", (Group("", row.items, rows),)), images)
    return known | {"strip": png_url(strip), "width": strip.width // 2}
