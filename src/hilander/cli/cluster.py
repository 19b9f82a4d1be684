"""``hilander cluster``: embeddings in, clusters out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hilander.cli.inputs import (
    DataArgument,
    EncoderOption,
    ModelOption,
    SeedOption,
    ThresholdOption,
    load_clusterer,
    load_embeddings,
)

_PAIRS = ".csv or .parquet of two columns of ids, or .npy of row numbers"


def cluster(
    data: DataArgument,
    model: ModelOption = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to: .parquet, .csv or .npy.")] = Path(
        "clusters.parquet"
    ),
    granularity: Annotated[
        float, typer.Option(help="Above 1 for more and finer clusters, below 1 for coarser ones.")
    ] = 1.0,
    max_cluster_size: Annotated[int | None, typer.Option(help="Most items of a cluster.", show_default=False)] = None,
    outliers: Annotated[
        str, typer.Option(help="Items that stand alone: 'keep' them as clusters of one, or 'label' them -1.")
    ] = "keep",
    must_link: Annotated[
        Path | None, typer.Option(help=f"Pairs that share a cluster: {_PAIRS}.", show_default=False)
    ] = None,
    cannot_link: Annotated[
        Path | None, typer.Option(help="Pairs that share none, likewise.", show_default=False)
    ] = None,
    threshold: ThresholdOption = None,
    encoder: EncoderOption = None,
    seed: SeedOption = 0,
) -> None:
    """Cluster embeddings of unknown classes; the number of clusters is not given.

    Examples:

        hilander cluster embeddings.npy

        hilander cluster photos/ --encoder artifacts/encoder --model artifacts/lander/hilander -o clusters.csv

        hilander cluster embeddings.npy --granularity 2 --outliers label

        hilander cluster faces.parquet --must-link same.csv --cannot-link different.csv --max-cluster-size 50
    """
    import numpy as np

    from hilander.cli.pairs import read_pairs
    from hilander.label_files import check_suffix, write_clusters

    check_suffix(output)
    clusterer = load_clusterer(model)
    clusterer.set_params(
        granularity=granularity,
        max_cluster_size=max_cluster_size,
        outliers=outliers,
        linkage_threshold=threshold,
        random_state=seed,
        show_progress=True,
    )
    dataset, embeddings = load_embeddings(data, encoder)
    pairs = {"must_link": read_pairs(must_link, dataset.ids), "cannot_link": read_pairs(cannot_link, dataset.ids)}
    typer.echo(f"clustering {embeddings.shape[0]:,} embeddings of width {embeddings.shape[1]} …")
    clusterer.fit(embeddings, **pairs)
    write_clusters(output, dataset.ids, clusterer.labels_, clusterer.probabilities_)
    for number, level in enumerate(clusterer.levels_):
        typer.echo(f"  level {number}: {level.n_nodes:,} nodes → {level.n_clusters:,} clusters")
    alone = clusterer.labels_ < 0
    sizes = np.bincount(clusterer.labels_[~alone])
    typer.echo(
        f"{len(sizes):,} clusters: the largest holds {sizes.max(initial=0):,}, the median "
        f"{np.median(sizes) if len(sizes) else 0:.0f}, {(sizes == 1).sum():,} hold one item"
        + (f"; {alone.sum():,} items stand alone (-1)" if outliers == "label" else "")
        + f"; written to {output}"
    )
    if model is None:
        typer.echo(
            "No model was given, so the general one of the package decided what belongs together. A model learned from "
            "labelled classes of the same kind (other people, other species) draws the boundaries better: "
            "`hilander train labelled.parquet -o my-model`, then `--model my-model`."
        )
