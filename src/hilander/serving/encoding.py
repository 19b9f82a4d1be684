"""Images to embeddings, where the image that gives none is named."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hilander.serving.images_body import LimitedImages
from hilander.serving.refusals import invalid, without_folders

if TYPE_CHECKING:
    from hilander.encoder import Encoder

logger = logging.getLogger(__name__)


def encode_images(encoder: Encoder, images: LimitedImages) -> NDArray[np.float32]:
    """Return one embedding per image.

    Raises
    ------
    Refusal
        An image is damaged or too large, or the encoder makes nothing of it.
    """
    try:
        return encoder.encode(images)
    except ValueError as error:
        for i, name in enumerate(images.names):  # one by one, since the encoder does not say which
            try:
                encoder.encode([images[i]])
            except ValueError as reason:
                logger.info("image %r is not encoded: %s", name, reason)
                raise invalid(
                    f"the encoder makes no embedding of image {name!r}, which may be empty; replace it or leave it out"
                ) from reason
        raise invalid(without_folders(error)) from error
