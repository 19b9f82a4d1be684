"""One HTML file to look at clusters whose true classes nobody knows; nothing in it is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from hilander.clustering import LevelSummary
from hilander.evaluation.found_clusters import found_clusters
from hilander.evaluation.thumbnails import ImageSource
from hilander.reporting import load_template, write_page


def write_clusters_page(
    path: str | Path,
    table: pd.DataFrame,
    *,
    levels: Iterable[LevelSummary] = (),
    images: ImageSource | None = None,
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Render clusters as a self-contained HTML file: sizes, confidence, the largest and the least sure ones.

    Parameters
    ----------
    path : path
        Where to; replaced whole or not at all.
    table : DataFrame
        ``id``, ``cluster``, ``probability`` of every item, at least one; cluster -1 is none.
    levels : iterable of LevelSummary
        Of the hierarchy, such as ``HiLander.levels_``.
    images : ImageSource, optional
        Image of each item by its row, such as `hilander.data.Images`; without it items are named.
    facts : mapping of str to str, optional
        What was clustered by what: heading → text, shown as a list.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ImportError
        Matplotlib or Jinja2 is not installed.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from hilander import HiLander
    >>> angles = np.radians([0, 2, 4, 120, 121, 240])
    >>> clusterer = HiLander().fit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    >>> table = pd.DataFrame({"id": list("abcdef"), "cluster": clusterer.labels_,
    ...                       "probability": clusterer.probabilities_})
    >>> folder = tempfile.mkdtemp()
    >>> write_clusters_page(Path(folder) / "clusters.html", table, levels=clusterer.levels_).name
    'clusters.html'
    """
    template = load_template("hilander.evaluation", "clusters.html.j2")
    summaries = [{"nodes": each.n_nodes, "edges": each.n_edges, "clusters": each.n_clusters} for each in levels]
    return write_page(path, template, **found_clusters(table, images), levels=summaries, facts=dict(facts or {}))
