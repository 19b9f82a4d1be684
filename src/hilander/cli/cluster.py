"""``hilander cluster``: embeddings in, clusters out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hilander.cli.inputs import (
    EncoderOption,
    ModelOption,
    SeedOption,
    ThresholdOption,
    WhiteningOption,
    load_clusterer,
    load_embeddings,
    parse_threshold,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hilander.estimator import HiLander
    from hilander.evaluation.thumbnails import ImageSource

_PAIRS = ".csv or .parquet of two columns of ids, or .npy of row numbers"


def cluster(
    data: Annotated[
        str,
        typer.Argument(
            help="Embeddings (.npy, .npz, .parquet, .bin + .meta, official .pkl), or images with --encoder. With "
            "--run-folder or --scheduler: .npy, .parquet or a folder of such, also as a URL."
        ),
    ],
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
    whitening: WhiteningOption = None,
    encoder: EncoderOption = None,
    run_folder: Annotated[
        str | None,
        typer.Option(
            help="Cluster part by part and keep the parts in this folder or URL: the same command carries on after an "
            "interruption, and is quick with another --granularity.",
            show_default=False,
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Cluster part by part on the workers of this Dask scheduler; they must see --run-folder.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Also a page to look at (.html): sizes, confidence, the largest and the least sure clusters, with "
            "pictures where images were encoded.",
            show_default=False,
        ),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Cluster embeddings of unknown classes; the number of clusters is not given.

    Examples:

        hilander cluster embeddings.npy

        hilander cluster photos/ --encoder artifacts/encoder --model artifacts/lander/hilander --report clusters.html

        hilander cluster embeddings.npy --granularity 2 --outliers label -o clusters.csv

        hilander cluster faces.parquet --must-link same.csv --cannot-link different.csv --max-cluster-size 50

        hilander cluster hundred-million/ --scheduler tcp://10.0.0.5:8786 --run-folder /shared/run
    """
    import numpy as np

    from hilander.batch.redaction import redact
    from hilander.cli.outputs import check_output, check_page
    from hilander.cli.pairs import check_pairs_file, read_pairs
    from hilander.distributed.ids import read_ids
    from hilander.distributed.shard_files import is_url
    from hilander.distributed.source import Source
    from hilander.label_files import write_clusters

    check_output(output, data, must_link, cannot_link)
    for pairs_file in (must_link, cannot_link):
        check_pairs_file(pairs_file)
    if report is not None:
        check_page(report, data, must_link, cannot_link)
    clusterer = load_clusterer(
        model,
        granularity=granularity,
        max_cluster_size=max_cluster_size,
        outliers=outliers,
        linkage_threshold=parse_threshold(threshold),
        whitening=whitening,
        random_state=seed,
        show_progress=True,
    )
    if run_folder or scheduler:
        if encoder is not None:
            raise ValueError("expected embeddings to cluster part by part, got --encoder; encode the images first")
        source = Source.open(data)  # once, so that ids and embeddings are of the same shards
        clusterer.set_params(engine=scheduler, run_folder=run_folder)
        X: Source | NDArray[np.float32] = source
        ids, shape, images = read_ids(source), (source.n_rows, source.width), None
        if source.pieces and source.pieces[0].shard.endswith(".parquet"):  # row numbers need not be sorted
            _tell_repeated(ids)
    elif is_url(data):
        raise ValueError(f"to read the URL {data}, name a --run-folder to cluster part by part, or fetch it first")
    else:
        dataset, X = load_embeddings(Path(data), encoder)
        ids, shape, images = dataset.ids, X.shape, dataset.images
        _tell_repeated(ids)
    pairs = {"must_link": read_pairs(must_link, ids), "cannot_link": read_pairs(cannot_link, ids)}
    typer.echo(f"clustering {shape[0]:,} embeddings of width {shape[1]} …")
    clusterer.fit(X, **pairs)
    write_clusters(output, ids, clusterer.labels_, clusterer.probabilities_)
    for number, level in enumerate(clusterer.levels_):
        typer.echo(f"  level {number}: {level.n_nodes:,} nodes → {level.n_clusters:,} clusters")
    alone = clusterer.labels_ < 0
    sizes = np.bincount(clusterer.labels_[~alone])
    typer.echo(
        f"{len(sizes):,} clusters at linkage threshold {clusterer.linkage_threshold_:.6g}: the largest holds "
        f"{sizes.max(initial=0):,}, the median {np.median(sizes) if len(sizes) else 0:.0f}, {(sizes == 1).sum():,} "
        "hold one item"
        + (f"; {alone.sum():,} items stand alone (-1)" if outliers == "label" else "")
        + f"; written to {output}"
    )
    if report is not None:
        facts = {
            "Data": redact(data),
            "Encoder": redact(encoder) if encoder else "none, they are embeddings",
            "Model": redact(model) if model else "the general one of the package",
            "Linkage threshold": f"{clusterer.linkage_threshold_:.6g}",
        }
        _write_page(report, clusterer, ids, images, facts)
        typer.echo(f"page: {report.resolve()}")
    if model is None:
        typer.echo(
            "No model was given, so the general one of the package decided what belongs together. A model learned from "
            "some hundreds of labelled classes of the same kind (other people, other species) draws the boundaries "
            "better: `hilander train labelled.parquet -o my-model --check`, then `--model my-model`."
        )


def _tell_repeated(ids: NDArray[np.str_]) -> None:
    import numpy as np

    if repeated := len(ids) - len(np.unique(ids)):
        typer.echo(f"note: {repeated:,} ids occur before; clusters can then not be matched by id later", err=True)


def _write_page(
    path: Path, clusterer: HiLander, ids: NDArray[np.str_], images: ImageSource | None, facts: dict[str, str]
) -> None:
    import pandas as pd

    from hilander.evaluation import write_clusters_page

    table = pd.DataFrame({"id": ids, "cluster": clusterer.labels_, "probability": clusterer.probabilities_})
    write_clusters_page(path, table, levels=clusterer.levels_, images=images, facts=facts)
