"""``hilander train``: learn how to cluster, from labelled classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hilander.cli.inputs import DataArgument, EncoderOption, SeedOption, load_embeddings


def train(
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.")] = Path("model"),
    labels: Annotated[
        Path | None, typer.Option(help="Labels (.parquet, .csv, .npy), where the data hold none.", show_default=False)
    ] = None,
    split: Annotated[str | None, typer.Option(help="Train on this split alone.", show_default=False)] = None,
    variant: Annotated[str, typer.Option(help="hilander, or published: the paper's own network.")] = "hilander",
    encoder: EncoderOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: SeedOption = 0,
) -> None:
    """Learn from labelled classes how to cluster others.

    Examples:

        hilander train stars.npz -o models/faces

        hilander train embeddings.npy --labels labels.csv --variant published
    """
    from hilander.cli.outputs import check_output_folder
    from hilander.embeddings import missing_labels
    from hilander.label_files import Labels, align, read_labels
    from hilander.training.train_lander import train_lander

    check_output_folder(output)
    dataset, embeddings = load_embeddings(data, encoder)
    classes = dataset.labels
    if labels is not None:
        classes = align(Labels(dataset.ids, dataset.ids), read_labels(labels))
    if classes is None:
        raise ValueError(f"{data} holds no labels; name a file of them with --labels")
    if split is not None:
        chosen = dataset.split(split)
        rows = dataset.splits == split
        embeddings, classes = embeddings[rows], classes[rows]
        typer.echo(f"split {split!r}: {len(chosen.ids):,} items")
    if (unlabelled := missing_labels(classes)).any():
        embeddings, classes = embeddings[~unlabelled], classes[~unlabelled]
        typer.echo(f"{unlabelled.sum():,} items without a label are left out")
    model = train_lander(embeddings, classes, variant=variant, device=device, random_state=seed, show_progress=True)
    model.save(output)
    typer.echo(
        f"trained {variant} on {len(embeddings):,} items of {len(set(classes)):,} classes; "
        f"linkage threshold {model.settings.linkage_threshold:g}; written to {output}/"
    )
    typer.echo(f"Now cluster classes never seen: `hilander cluster others.npy --model {output}`")
