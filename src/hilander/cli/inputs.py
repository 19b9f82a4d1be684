"""What the commands read: embeddings, or images through an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # the library is imported by the command that runs, so that the others and --help start at once
    import numpy as np
    from numpy.typing import NDArray

    from hilander.data.dataset import Dataset
    from hilander.estimator import HiLander

DataArgument = Annotated[
    Path,
    typer.Argument(help="Embeddings (.npy, .npz, .parquet, .bin + .meta, official .pkl), or images with --encoder."),
]
EncoderOption = Annotated[
    Path | None, typer.Option(help="Encoder folder that turns images into embeddings.", show_default=False)
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        help="Model folder made by `hilander train`; by default the general model in the package.",
        show_default=False,
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything that is drawn.")]
ThresholdOption = Annotated[
    str | None,
    typer.Option(
        help="Linkage threshold, 0 to 1: higher gives finer clusters; 'adapted' takes the one that suits the data, "
        "as for classes of another kind than the model's. The model's own by default.",
        show_default=False,
    ),
]
WhiteningOption = Annotated[
    float | None,
    typer.Option(
        help="Let what varies within classes count less, as the data themselves tell without labels: the least "
        "shrinkage, 0 to 1, or 0 to leave embeddings as they are. By default 0.3 with the general model, else 0.",
        show_default=False,
    ),
]


def parse_threshold(text: str | None) -> float | str | None:
    """Return the number, or the word for the one that suits the data."""
    from hilander.linkage_threshold import ADAPTED

    try:
        return text if text in (None, ADAPTED) else float(text)
    except ValueError:
        raise ValueError(f"--threshold must be a number within [0, 1] or {ADAPTED!r}, got {text!r}") from None


def load_clusterer(model: Path | None, **parameters: Any) -> HiLander:
    """Return the estimator with the model of that folder, or with the general one.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the model folder cannot be read.
    """
    from hilander.estimator import HiLander
    from hilander.estimator_parameters import model_and_settings

    clusterer = HiLander(**parameters) if model is None else HiLander.load(model, **parameters)
    model_and_settings(clusterer.get_params(deep=False))  # refused before images are encoded
    return clusterer


def load_dataset(path: Path, encoder: Path | None) -> Dataset:
    """Read a dataset of embeddings, or of images where there is an encoder for them.

    Raises
    ------
    ValueError
        Images without an encoder, or embeddings with one.
    """
    from hilander.data.read import read_dataset

    dataset = read_dataset(path)
    if dataset.embeddings is not None and encoder is not None:
        raise ValueError(f"{path} holds embeddings already; leave --encoder out")
    if dataset.embeddings is None and encoder is None:
        raise ValueError(f"{path} holds images; name the encoder that turns them into embeddings with --encoder FOLDER")
    return dataset


def embeddings_of(dataset: Dataset, encoder: Path | None) -> NDArray[np.float32]:
    """Return the embeddings of what `load_dataset` read, encoding images where there are some.

    Raises
    ------
    DataError
        Images cannot be read; all of these are named.
    """
    if dataset.embeddings is not None:
        return dataset.embeddings
    from hilander.encoder import load_encoder

    assert dataset.images is not None
    assert encoder is not None
    return load_encoder(encoder).encode(dataset.images, show_progress=True)


def load_embeddings(path: Path, encoder: Path | None) -> tuple[Dataset, NDArray[np.float32]]:
    """Read a dataset and its embeddings; raises as `load_dataset` and `embeddings_of` do."""
    dataset = load_dataset(path, encoder)
    return dataset, embeddings_of(dataset, encoder)
