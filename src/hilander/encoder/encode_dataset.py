"""From a dataset of either kind to its embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilander.data.dataset import Dataset
from hilander.data.images import Images
from hilander.encoder.base import Encoder
from hilander.encoder.identity_encoder import IdentityEncoder


def encode_dataset(
    encoder: Encoder, dataset: Dataset, batch_size: int = 256, show_progress: bool = False
) -> NDArray[np.float32]:
    """Return one L2-normalised embedding per item, (n, d) float32: of its image, or the one that it brings.

    Raises
    ------
    ValueError
        The dataset holds embeddings and the encoder wants images, or the other way round; embeddings of another width
        than the encoder's, or with NaN, inf or zero rows.
    DataError
        Images are damaged; the message names all of them.
    """
    if isinstance(encoder, IdentityEncoder):
        return encoder.normalize(embeddings_of(dataset))
    return encoder.encode(images_of(dataset), batch_size, show_progress)


def images_of(dataset: Dataset) -> Images:
    """Return the images, or say what to do where there are none."""
    if dataset.images is None:
        raise ValueError(
            "these data hold embeddings, so there is nothing to encode; set encoder.name in params.yaml to identity"
        )
    return dataset.images


def embeddings_of(dataset: Dataset) -> NDArray[np.float32]:
    """Return the embeddings that were brought, or say what to do where there are none."""
    if dataset.embeddings is None:
        raise ValueError(
            "the encoder 'identity' takes embeddings and these data hold images; set encoder.name in params.yaml to "
            "resnet to train an encoder on them, or to onnx or huggingface to use one that you bring"
        )
    return dataset.embeddings
