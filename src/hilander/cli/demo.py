"""``hilander demo``: the whole path in a few minutes, on letters drawn on the spot."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from hilander.cli.inputs import SeedOption

_NEEDED = ("kornia", "pytorch_metric_learning", "matplotlib", "jinja2")  # of the extras


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder for the model and the report.")] = Path("hilander-demo"),
    seed: SeedOption = 0,
) -> None:
    """Learn from worn Latin letters how to cluster, then cluster Greek and Armenian ones, never seen.

    Examples:

        hilander demo
    """
    from hilander.cli.outputs import check_output_folder
    from hilander.config import DataParams, EncoderParams
    from hilander.data import read_dataset, train_test
    from hilander.data.glyphs import write_glyphs
    from hilander.encoder import train_encoder
    from hilander.estimator import HiLander
    from hilander.evaluation import Prediction, evaluate, format_table, write_report
    from hilander.training.train_lander import train_lander

    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise ImportError(f"the demo needs {', '.join(missing)} as well: pip install 'hilander[encoder,report]'")
    for output in ("encoder", "model"):  # before minutes are spent on what cannot be written
        check_output_folder(folder / output)
    typer.echo("1/4 drawing letters …")
    glyphs = write_glyphs(
        folder, seed, show_progress=True, train_scripts={"LATIN": 160}, test_scripts={"GREEK": 40, "ARMENIAN": 40}
    )
    train, test = train_test(read_dataset(glyphs), DataParams())
    if train.images is None or test.images is None or train.labels is None or test.labels is None:
        raise ValueError(f"{glyphs} lacks images or labels; delete it and run the demo again")
    typer.echo(f"2/4 training an encoder on {len(train):,} images of {len(train.classes)} Latin letters …")
    params = EncoderParams(name="conv", image_size=24, epochs=8, seed=seed)
    encoder, _ = train_encoder(train.images, train.labels, params, show_progress=True)
    train_embeddings, test_embeddings = encoder.encode(train.images), encoder.encode(test.images)
    typer.echo("3/4 learning from them how to cluster …")
    model = train_lander(train_embeddings, train.labels, random_state=seed, show_progress=True)
    encoder.save(folder / "encoder")
    model.save(folder / "model")
    typer.echo(f"4/4 clustering {len(test):,} images of {len(test.classes)} letters of other alphabets …\n")
    evaluation = evaluate(
        [
            Prediction.of("hilander", HiLander(model), test_embeddings),
            Prediction.of("general model", HiLander(), test_embeddings),
        ],
        train_embeddings,
        train.labels,
        test_embeddings,
        test.labels,
        baselines=("kmeans",),
        seed=seed,
    )
    write_report(folder / "report.html", evaluation, images=test.images)
    typer.echo(format_table(evaluation.results, evaluation.n_classes))
    typer.echo(f"\nreport: {(folder / 'report.html').resolve()}")
    typer.echo(
        f"model:  {folder / 'model'} — `hilander cluster your.npy --model …` with one trained on your own classes"
    )
