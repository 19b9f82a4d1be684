"""``hilander assign``: later embeddings to clusters that exist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hilander.cli.inputs import (
    DataArgument,
    EncoderOption,
    ModelOption,
    ThresholdOption,
    WhiteningOption,
    embeddings_of,
    load_clusterer,
    load_dataset,
    parse_threshold,
)


def assign(
    data: DataArgument,
    to: Annotated[Path, typer.Option(help="The embeddings (or images) that were clustered before.")],
    clusters: Annotated[Path, typer.Option(help="Their clusters, as `hilander cluster` wrote them.")],
    model: ModelOption = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to: .parquet, .csv or .npy.")] = Path(
        "assigned.parquet"
    ),
    threshold: ThresholdOption = None,
    whitening: WhiteningOption = None,
    encoder: EncoderOption = None,
) -> None:
    """Assign later embeddings to existing clusters; -1 is none of them. The clusters do not change.

    The general model's threshold adapts to what was clustered, which takes as long as to cluster it. `hilander cluster`
    says which one it took: given here, it is taken at once. After --granularity, pairs or a largest size, give it.

    Examples:

        hilander assign new.npy --to embeddings.npy --clusters clusters.parquet --model models/faces

        hilander assign new.npy --to embeddings.npy --clusters clusters.parquet --threshold 0.5
    """
    from hilander.cli.outputs import check_output
    from hilander.embeddings import check_embeddings
    from hilander.label_files import Labels, align, read_labels, write_clusters

    check_output(output, data, to, clusters)
    clusterer = load_clusterer(
        model, linkage_threshold=parse_threshold(threshold), whitening=whitening, show_progress=True
    )
    made = read_labels(clusters)  # before images are encoded
    old, new = load_dataset(to, encoder), load_dataset(data, encoder)
    labels = align(Labels(old.ids, old.ids), made)
    embeddings = embeddings_of(new, encoder)  # before those that were clustered, which are more and were read before
    check_embeddings(embeddings, n_features=None if old.embeddings is None else old.embeddings.shape[1])
    old_embeddings = embeddings_of(old, encoder)
    assignment = clusterer.adopt(old_embeddings, labels).assign(embeddings)
    write_clusters(output, new.ids, assignment.labels, assignment.probabilities)
    known = int((assignment.labels >= 0).sum())
    typer.echo(
        f"{known:,} of {len(embeddings):,} belong to existing clusters, {len(embeddings) - known:,} to none (-1); "
        f"written to {output}"
    )
