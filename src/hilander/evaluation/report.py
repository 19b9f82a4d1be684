"""One HTML file that shows a person how good the clusters are; nothing in it is loaded from elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from hilander.data.errors import DataError
from hilander.evaluation import plotting
from hilander.evaluation.evaluate import Evaluation
from hilander.evaluation.examples import Example, pick_examples
from hilander.evaluation.result import MethodResult
from hilander.evaluation.table import COLUMNS, best_values, is_best
from hilander.evaluation.thumbnails import COLOURS, ImageSource, draw_strip
from hilander.reporting import load_template, png_url, write_page


def write_report(
    path: str | Path,
    evaluation: Evaluation,
    *,
    images: ImageSource | None = None,
    facts: Mapping[str, str] | None = None,
    histories: Mapping[str, pd.DataFrame] | None = None,
) -> Path:
    """Render the evaluation as a self-contained HTML file.

    Parameters
    ----------
    path : path
        Where to; replaced whole or not at all.
    evaluation : Evaluation
        From `hilander.evaluation.evaluate`.
    images : ImageSource, optional
        Image of each test item, for the examples; without it, or where one of an example cannot be read, it is told in
        words.
    facts : mapping of str to str, optional
        What was trained on what: heading → text, shown as a list.
    histories : mapping of str to DataFrame, optional
        Training curves: title → columns over the first one.

    Raises
    ------
    ImportError
        Matplotlib or Jinja2 is not installed.
    """
    template = load_template("hilander.evaluation", "report.html.j2")
    ours = evaluation.ours
    examples = pick_examples(evaluation.labels, ours.labels) if ours.labels is not None else {}
    return write_page(
        path,
        template,
        evaluation=evaluation,
        ours=ours,
        rival=evaluation.baselines[0] if evaluation.baselines else None,
        ceiling=next(result for result in evaluation.results if result.is_ceiling),
        columns=COLUMNS,
        rows=[_row(result, best_values(evaluation.results)) for result in evaluation.results],
        facts=dict(facts or {}),
        precision_recall=plotting.plot_precision_recall(evaluation.results, ours.name),
        sizes=plotting.plot_sizes(evaluation.sizes),
        reliability=plotting.plot_reliability(evaluation.reliability) if len(evaluation.reliability) else None,
        coverage=plotting.plot_precision_coverage(evaluation.precision_coverage)
        if len(evaluation.precision_coverage)
        else None,
        histories=[plotting.plot_history(frame, title) for title, frame in (histories or {}).items() if len(frame)],
        examples={kind: [_with_strip(example, images) for example in found] for kind, found in examples.items()},
        colours=COLOURS,
        tuning=[_tuning(result) for result in evaluation.baselines if result.tuning],
    )


def _row(result: MethodResult, best: Mapping[str, float]) -> dict[str, object]:
    cells = []
    for metric in COLUMNS if result.metrics else ():
        value = result.metrics[metric]
        text = f"{value:,.0f}" if metric == "clusters" else f"{value:.3f}".removeprefix("0")
        cells.append({"text": text, "best": is_best(result, metric, best)})
    return {"result": result, "cells": cells}


def _tuning(result: MethodResult) -> dict[str, object]:
    """What was tried and what was taken, per parameter."""
    parameters = []
    for name, chosen in result.parameters.items():
        tried = list(dict.fromkeys(row[name] for row in result.tuning))
        numbers = all(isinstance(value, int | float) for value in tried)
        span = f"{tried[0]:g} … {tried[-1]:g}" if numbers else ", ".join(map(str, tried))
        parameters.append({"name": name, "chosen": f"{chosen:g}" if numbers else chosen, "tried": span})
    best = max(result.tuning, key=lambda row: float(row["f_pairwise"]) + float(row["f_bcubed"]))
    return {"result": result, "parameters": parameters, "settings": len(result.tuning), "train": best}


def _with_strip(example: Example, images: ImageSource | None) -> dict[str, object]:
    if images is not None:
        with contextlib.suppress(DataError):  # removed or altered since it was embedded: what is measured stands
            strip = draw_strip(example, images)
            return {"example": example, "strip": png_url(strip), "width": strip.width // 2}
    return {"example": example, "strip": None}
