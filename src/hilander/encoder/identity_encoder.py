"""Embeddings that the user brings: nothing to encode, only to check and normalise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from hilander.embeddings import check_embeddings
from hilander.encoder.base import Encoder


class IdentityEncoder(Encoder):
    """Stands where an encoder would, so that the pipeline is the same for images and for embeddings.

    Parameters
    ----------
    embedding_size : int
        Width of the embeddings that are brought; another width later on is an error.
    """

    name: ClassVar[str] = "identity"

    def __init__(self, embedding_size: int) -> None:
        self.embedding_size = embedding_size

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any], device: str) -> IdentityEncoder:
        """Read the encoder that `save` wrote; `config` has been checked."""
        return cls(config["embedding_size"])

    def normalize(self, embeddings: ArrayLike) -> NDArray[np.float32]:
        """Return the embeddings, (n, embedding_size), with rows of norm 1; errors as `check_embeddings` has them."""
        return check_embeddings(embeddings, n_features=self.embedding_size)

    def _encode_batch(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        raise ValueError(
            "the encoder 'identity' passes embeddings on and cannot encode images; train one (resnet, conv) or open "
            "one (onnx, huggingface)"
        )

    def _settings(self) -> dict[str, Any]:
        return {}

    def _write_weights(self, folder: Path) -> None:
        """There are none."""
