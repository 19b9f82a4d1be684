"""``hilander report``: the figures of the last pipeline run, and where its report lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(help="Folder that the evaluate stage wrote.")] = Path("reports"),
) -> None:
    """Print the metrics table of the last `dvc repro`, ours beside the baselines, and the path of the HTML report.

    Examples:

        hilander report
    """
    from hilander.evaluation.table import format_metrics

    path = folder / "metrics.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected the metrics of a pipeline run in {path}, found none; run `dvc repro` first")
    try:
        table = format_metrics(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise ValueError(f"{path} holds no metrics of a pipeline run; run `dvc repro` again") from error
    typer.echo(table)
    typer.echo(f"\nreport: {(folder / 'report.html').resolve()}")
