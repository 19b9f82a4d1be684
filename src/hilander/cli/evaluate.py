"""``hilander evaluate``: clusters against true labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    clusters: Annotated[Path, typer.Argument(help="Clusters: .parquet, .csv or .npy.")],
    labels: Annotated[
        Path,
        typer.Argument(
            help="True labels: .npy, or .parquet or .csv with a column label, matched by `id` if both have it."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score clusters against true labels: pairwise and BCubed F, NMI, ARI, accuracy.

    Examples:

        hilander evaluate clusters.parquet labels.csv

        hilander evaluate clusters.npy labels.npy --json
    """
    from hilander.label_files import align, read_labels
    from hilander.metrics import score

    found = read_labels(clusters)
    scores = score(align(found, read_labels(labels, classes=True)), found.labels)
    if as_json:
        typer.echo(json.dumps(scores, indent=2))
        return
    for name, value in scores.items():
        typer.echo(f"{name:<20} {value:>10,.4f}" if name != "clusters" else f"{name:<20} {value:>10,.0f}")
