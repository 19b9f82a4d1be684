"""``hilander train``: learn how to cluster, from labelled classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilander.cli.inputs import DataArgument, EncoderOption, SeedOption, load_embeddings

if TYPE_CHECKING:
    from hilander.evaluation.held_out import HeldOutScores

_FEW_CLASSES = 200  # up to here the general model has been the better one on some data
_TELLING = 0.01  # difference of F; another seed or another half makes as much


def train(
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.")] = Path("model"),
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Labels, where the data hold none: .npy, or .parquet or .csv with a column label, matched by `id` "
            "where it has that too.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Train on this split alone.", show_default=False)] = None,
    variant: Annotated[str, typer.Option(help="hilander, or published: the paper's own network.")] = "hilander",
    encoder: EncoderOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="First learn from half of the classes, and score that model and the general one on the other half.",
        ),
    ] = False,
    seed: SeedOption = 0,
) -> None:
    """Learn from labelled classes how to cluster others.

    Examples:

        hilander train stars.npz -o models/faces

        hilander train stars.npz -o models/faces --check

        hilander train embeddings.npy --labels labels.csv --variant published
    """
    from hilander.cli.outputs import check_output_folder
    from hilander.embeddings import missing_labels
    from hilander.label_files import Labels, align, read_labels
    from hilander.models.persistence import FORMAT
    from hilander.training.train_lander import train_lander

    check_output_folder(output, FORMAT)
    dataset, embeddings = load_embeddings(data, encoder)
    classes = dataset.labels
    if labels is not None:
        classes = align(Labels(dataset.ids, dataset.ids), read_labels(labels, classes=True))
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
    training: dict[str, Any] = {
        "variant": variant, "device": device, "random_state": seed, "show_progress": True,
    }  # fmt: skip
    if check:
        from hilander.evaluation.held_out import score_on_held_out_classes

        typer.echo(_told(score_on_held_out_classes(embeddings, classes, **training)))
    model = train_lander(embeddings, classes, **training)
    model.save(output)
    typer.echo(
        f"trained {variant} on {len(embeddings):,} items of {len(set(classes)):,} classes; "
        f"linkage threshold {model.settings.linkage_threshold:g}; written to {output}/"
    )
    if not check and len(set(classes)) < _FEW_CLASSES:
        typer.echo(
            "These are few classes to learn from: --check tells whether the general model of the package, which "
            "clusters without --model, is the better one"
        )
    typer.echo(f"Now cluster classes never seen: `hilander cluster others.npy --model {output}`")


def _told(scores: HeldOutScores) -> str:
    trained, general = (
        f"F_P {each['f_pairwise']:.3f}, F_B {each['f_bcubed']:.3f}" for each in (scores.trained, scores.general)
    )
    ahead = sum(scores.general[name] - scores.trained[name] for name in ("f_pairwise", "f_bcubed")) / 2
    advice = ""
    if ahead > _TELLING:
        advice = "; it is the better one here: cluster without --model, or label more classes"
    elif ahead > -_TELLING:
        advice = "; the two are about as good, and more classes would help the first"
    return (
        f"learned from {scores.n_learned:,} classes, {scores.n_held_out:,} others are clustered with {trained}, by the "
        f"general model with {general}{advice}"
    )
