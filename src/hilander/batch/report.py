"""One HTML file that shows a person what a batch run found, without true labels; nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hilander.evaluation.found_clusters import found_clusters
from hilander.evaluation.thumbnails import ImageSource
from hilander.reporting import load_template, write_page

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
    return write_page(
        path,
        template,
        **found_clusters(table, images),
        facts=facts,
        levels=facts["levels"],
        scores={title: metrics[name] for name, title in _SCORES.items() if name in metrics} if metrics else {},
        settings=", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts["settings"].items()),
        seconds=", ".join(f"{step} {seconds:,.1f}" for step, seconds in facts["seconds"].items()),
    )
