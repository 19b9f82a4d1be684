"""Copies of an image as another hand might have drawn it, whose embeddings are averaged."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

_ANGLE = 7.0  # degrees
_ZOOM = 0.1


def views(images: Tensor) -> Iterator[Tensor]:
    """Yield the images, then turned by 7° to either side, then a tenth larger and smaller.

    Parameters
    ----------
    images : Tensor of shape (b, c, size, size), float32
        In grey, c = 1, the ground is 0, which is also what comes in from outside; in colour that is the nearest pixel.

    Yields
    ------
    Tensor of shape (b, c, size, size), float32
    """
    outside = "zeros" if images.shape[1] == 1 else "border"
    yield images
    for angle, zoom in ((_ANGLE, 1.0), (-_ANGLE, 1.0), (0.0, 1 + _ZOOM), (0.0, 1 - _ZOOM)):
        cosine, sine = math.cos(math.radians(angle)) / zoom, math.sin(math.radians(angle)) / zoom
        # From places in the view to places in the image.
        to_image = torch.tensor([[cosine, sine, 0.0], [-sine, cosine, 0.0]], device=images.device)
        grid = F.affine_grid(to_image.expand(len(images), 2, 3), list(images.shape), align_corners=False)
        view = F.grid_sample(images, grid, padding_mode=outside, align_corners=False)
        yield view.contiguous(memory_format=torch.channels_last)
