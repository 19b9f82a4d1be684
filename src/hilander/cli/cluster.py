"""``hilander cluster``: embeddings in, clusters out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hilander.cli.inputs import DataArgument, EncoderOption, ModelOption, SeedOption, ThresholdOption, load_embeddings


def cluster(
    data: DataArgument,
    model: ModelOption = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to: .parquet, .csv or .npy.")] = Path(
        "clusters.parquet"
    ),
    threshold: ThresholdOption = None,
    encoder: EncoderOption = None,
    seed: SeedOption = 0,
) -> None:
    """Cluster embeddings of unknown classes; the number of clusters is not given.

    Examples:

        hilander cluster embeddings.npy

        hilander cluster photos/ --encoder artifacts/encoder --model artifacts/lander/hilander -o clusters.csv
    """
    import numpy as np

    from hilander.estimator import HiLander
    from hilander.label_files import check_suffix, write_clusters

    check_suffix(output)
    clusterer = HiLander() if model is None else HiLander.load(model)
    clusterer.set_params(linkage_threshold=threshold, random_state=seed)
    dataset, embeddings = load_embeddings(data, encoder)
    typer.echo(f"clustering {embeddings.shape[0]:,} embeddings of width {embeddings.shape[1]} …")
    clusterer.fit(embeddings)
    write_clusters(output, dataset.ids, clusterer.labels_, clusterer.probabilities_)
    for number, level in enumerate(clusterer.levels_):
        typer.echo(f"  level {number}: {level.n_nodes:,} nodes → {level.n_clusters:,} clusters")
    sizes = np.bincount(clusterer.labels_)
    typer.echo(
        f"{len(sizes):,} clusters: the largest holds {sizes.max():,}, the median {np.median(sizes):.0f}, "
        f"{(sizes == 1).sum():,} hold one item; written to {output}"
    )
    if model is None:
        typer.echo(
            "No model was given, so plain cosine similarity decided what belongs together. A model learned from "
            "labelled classes of the same kind (other people, other species) draws the boundaries better and says "
            "how sure it is: `hilander train labelled.parquet -o my-model`, then add `--model my-model`."
        )
