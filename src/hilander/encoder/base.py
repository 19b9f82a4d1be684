"""What every encoder is: images in, L2-normalised embeddings out, kept as a model folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from hilander.data.errors import DataError, some
from hilander.data.images import Images, check_readable
from hilander.embeddings import check_embeddings
from hilander.encoder.encoder_folder import write_encoder_folder
from hilander.encoder.images import ImageSequence, image_at

# Of decoded images at once, 512 MB as Pillow holds them: of photographs, a whole batch would take gigabytes.
_PIXELS_AT_ONCE = 1 << 27


class Encoder(ABC):
    """Maps images to embeddings; subclasses say how one batch is mapped and what is written to disk.

    Attributes
    ----------
    name : str
        Kind of encoder, as in ``params.yaml``.
    embedding_size : int
        Width d of the embeddings.
    """

    name: ClassVar[str]
    embedding_size: int

    def encode(self, images: ImageSequence, batch_size: int = 256, show_progress: bool = False) -> NDArray[np.float32]:
        """Return one embedding per image.

        Parameters
        ----------
        images : sequence of PIL.Image.Image, length n
            Any mode and size; read batch by batch, so that a lazy sequence costs little memory.
        batch_size : int
            Images mapped at once; fewer where they are so large that decoded they would fill the memory.
        show_progress : bool
            Draw a progress bar.

        Returns
        -------
        (n, embedding_size) float32
            Rows of norm 1.

        Raises
        ------
        ValueError
            There are no images, a batch is to hold none, an image has no pixels or is of a mode that does not say what
            is light, or the encoder made NaN, inf or a zero vector of an image, which is named.
        DataError
            Of `Images`, some cannot be read; all of these are named.
        TypeError
            What came are no Pillow images.
        """
        if batch_size < 1:
            raise ValueError(
                f"expected a batch_size (in params.yaml: encode.batch_size) of at least 1; got {batch_size}"
            )
        if not len(images):
            raise ValueError("expected images to encode, got none")
        embeddings = np.empty((len(images), self.embedding_size), dtype=np.float32)
        start = 0
        try:
            with tqdm(total=len(images), desc="encoding", unit="image", disable=not show_progress) as progress:
                for batch in _batches(images, batch_size):
                    embeddings[start : start + len(batch)] = encoded = self._encode_batch(batch)
                    _check_each(encoded, images, start)
                    start += len(batch)
                    progress.update(len(batch))
                    del batch  # before the next images are decoded
        except DataError:  # which one was met first says nothing of the others
            if isinstance(images, Images):
                check_readable(images.take(slice(start, None)), show_progress=show_progress)
            raise
        return check_embeddings(embeddings)

    def save(self, folder: str | Path) -> None:
        """Write a model folder that `hilander.encoder.load_encoder` reads; an older one is replaced whole."""
        write_encoder_folder(folder, self.name, self.embedding_size, self._settings(), self._write_weights)

    def __repr__(self) -> str:
        settings = "".join(f", {key}={value!r}" for key, value in self._settings().items())
        return f"{type(self).__name__}(embedding_size={self.embedding_size}{settings})"

    @abstractmethod
    def _encode_batch(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return (b, embedding_size), not necessarily normalised."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """Return what must be known beside the weights, as JSON."""

    @abstractmethod
    def _write_weights(self, folder: Path) -> None:
        """Write the weights into `folder`."""


def _batches(images: ImageSequence, batch_size: int) -> Iterator[list[Image.Image]]:
    """Yield `batch_size` images at a time, these in several parts where they have many pixels."""
    for first in range(0, len(images), batch_size):
        batch: list[Image.Image] = []
        n_pixels = 0
        for i in range(first, min(first + batch_size, len(images))):
            batch.append(image_at(images, i))
            n_pixels += batch[-1].width * batch[-1].height
            if n_pixels >= _PIXELS_AT_ONCE:
                yield batch
                batch, n_pixels = [], 0
        if batch:
            yield batch


def _check_each(encoded: NDArray[np.float32], images: ImageSequence, start: int) -> None:
    """Name the images of a batch that no embedding was made of, at once: the other batches may take hours."""
    rows = start + np.flatnonzero(~(np.isfinite(encoded).all(axis=1) & encoded.any(axis=1)))
    if len(rows):
        names = images.ids[rows] if isinstance(images, Images) else rows.astype(str)
        raise ValueError(
            "the encoder makes NaN, inf or a zero vector, and so no embedding, of images which may be empty; replace "
            f"them or leave them out: {some(names)}"
        )
