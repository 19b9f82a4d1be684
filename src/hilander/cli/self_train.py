"""``hilander self-train``: an encoder learns from the images that are to be clustered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hilander.cli.inputs import SeedOption

if TYPE_CHECKING:
    from hilander.data.dataset import Dataset
    from hilander.self_training import SelfTrainingRound


def self_train(
    images: Annotated[Path, typer.Argument(help="Images of unknown classes, which are to be clustered.")],
    labelled: Annotated[Path, typer.Option(help="Labelled images of other classes, which the encoder learned from.")],
    encoder: Annotated[Path, typer.Option(help="Encoder folder that the pipeline made; it is left as it is.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write encoder/, model/ and clusters.parquet into.")
    ] = Path("self-trained"),
    params: Annotated[
        Path, typer.Option(help="The params.yaml that the encoder was trained with; LANDER learns by lander.hilander.")
    ] = Path("params.yaml"),
    split: Annotated[
        str | None, typer.Option(help="Cluster this split of the images alone.", show_default=False)
    ] = None,
    labelled_split: Annotated[
        str | None, typer.Option(help="Learn from this split of the labelled images alone.", show_default=False)
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often images are clustered and clusters learned from.")] = 3,
    epochs: Annotated[int, typer.Option(help="Of each network of the encoder in each round.")] = 10,
    learning_rate: Annotated[float, typer.Option(help="The highest of a round.")] = 0.002,
    seed: SeedOption = 0,
) -> None:
    """Let an encoder learn from the clusters of the very images that are to be clustered, and cluster them again.

    This takes minutes to hours and pays where clusters matter more than time. After an interruption the same command
    carries on.

    Examples:

        hilander self-train photos/ --labelled data --encoder artifacts/encoder -o self-trained

        hilander self-train data --split test --labelled data --labelled-split train --encoder artifacts/encoder

        hilander cluster photos/ --encoder self-trained/encoder --model self-trained/model --report clusters.html
    """
    import shutil

    from hilander.cli.outputs import check_output, check_output_folder
    from hilander.config import SelfTrainingParams, load_params
    from hilander.data.errors import some
    from hilander.data.images import check_readable
    from hilander.embeddings import missing_labels
    from hilander.encoder import encoder_folder, load_encoder
    from hilander.encoder.encode_dataset import images_of
    from hilander.label_files import write_clusters
    from hilander.models import persistence
    from hilander.self_training import self_train as learn

    for name, kind in (("encoder", encoder_folder.FORMAT), ("model", persistence.FORMAT)):
        check_output_folder(output / name, kind)
    check_output(output / "clusters.parquet", images, labelled)
    settings = load_params(params)
    unknown, known = _read(images, split), _read(labelled, labelled_split)
    if len(common := images_of(unknown).in_common(images_of(known))):
        raise ValueError(
            f"{len(common):,} of the images to cluster are among the labelled ones, {labelled}, and their classes "
            f"would be learned from: {some(common)}; name others, or part them by --split and --labelled-split"
        )
    classes = known.labels
    if classes is None:
        raise ValueError(f"{labelled} holds no labels, and --labelled names images of known classes")
    if (unlabelled := missing_labels(classes)).any():
        known, classes = known.subset(~unlabelled), classes[~unlabelled]
        typer.echo(f"{unlabelled.sum():,} images of {labelled} without a label are left out")
    check_readable(images_of(known), images_of(unknown), show_progress=True)  # reading them once is the least of it
    checkpoints = output / "checkpoints"
    result = learn(
        load_encoder(encoder, settings.encoder.device),
        images_of(known),
        classes,
        images_of(unknown),
        settings.encoder,
        params=SelfTrainingParams(rounds, epochs, learning_rate),
        lander=settings.lander.hilander,
        random_state=seed,
        checkpoint_folder=checkpoints,
        after_round=_tell,
        show_progress=True,
    )
    result.encoder.save(output / "encoder")
    result.clusterer.save(output / "model")
    write_clusters(output / "clusters.parquet", unknown.ids, result.clusterer.labels_, result.clusterer.probabilities_)
    shutil.rmtree(checkpoints, ignore_errors=True)
    typer.echo(
        f"{len(unknown.ids):,} images in {result.rounds[-1].n_clusters:,} clusters; encoder/, model/ and "
        f"clusters.parquet written to {output}/"
    )


def _tell(number: int, outcome: SelfTrainingRound) -> None:
    typer.echo(
        f"round {number}: learned from {outcome.n_learned_items:,} images in {outcome.n_learned_clusters:,} clusters → "
        f"{outcome.n_clusters:,} clusters, agreement with those before {outcome.agreement:.3f}"
    )


def _read(path: Path, split: str | None) -> Dataset:
    from hilander.data.read import read_dataset

    dataset = read_dataset(path)
    if dataset.images is None:
        raise ValueError(f"{path} holds embeddings, and an encoder learns from images")
    return dataset if split is None else dataset.split(split)
