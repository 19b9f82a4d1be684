"""Images of any size and mode to one small grey tensor, ink bright on a dark ground."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from hilander.data.images import as_shown

_LONGEST_SIDE = 8192  # pixels: a strip of few rows would fill the memory as a square of its length


class ImageSequence(Protocol):
    """A list of Pillow images, or anything that decodes one on access, as `hilander.data.Images` does."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, i: int, /) -> Image.Image:
        """Return image `i`, decoded."""


def prepare_images(images: ImageSequence, image_size: int, show_progress: bool = False) -> Tensor:
    """Return the images as one tensor; they are read one at a time, so that only the small ones are held in memory.

    Parameters
    ----------
    images : sequence of PIL.Image.Image, length n
        A damaged one raises when it is decoded.
    image_size : int
        Height and width of the result, in pixels.
    show_progress : bool
        Draw a progress bar.

    Returns
    -------
    (n, 1, image_size, image_size) uint8
        See `prepare_image`.
    """
    prepared = torch.empty(len(images), 1, image_size, image_size, dtype=torch.uint8)
    for i in tqdm(range(len(images)), desc="reading images", unit="image", disable=not show_progress, leave=False):
        prepared[i, 0] = torch.from_numpy(prepare_image(images[i], image_size))
    return prepared


def prepare_image(image: Image.Image, image_size: int) -> np.ndarray:
    """Return one image in grey on a dark ground, padded to a square and resized without aliasing.

    An image of more than 8,192 pixels a side is first made as small as that, one row or column at least. The ground is
    what the median pixel of the border shows; where it is bright (ink on paper) the image is inverted. Padding has the
    value of that ground. What augmentation and `views` turn in from outside is 0, as the ground of white paper and of
    black boards is; it stands out as darker corners where the ground is grey.

    Returns
    -------
    (image_size, image_size) uint8

    Raises
    ------
    ValueError
        The image is of a mode that does not say what is light, see `hilander.data.images.check_mode`.

    Examples
    --------
    >>> paper = Image.new("L", (20, 10), 255)
    >>> paper.paste(0, (9, 4, 11, 6))
    >>> prepared = prepare_image(paper, 20)
    >>> int(prepared[0, 0]), int(prepared[10, 10])
    (0, 255)
    """
    shown = as_shown(image).convert("L")
    if (longest := max(shown.size)) > _LONGEST_SIDE:
        width, height = (max(1, round(side * _LONGEST_SIDE / longest)) for side in shown.size)
        shown = shown.resize((width, height), Image.Resampling.BOX)
    grey = np.asarray(shown)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ground = int(np.median(border))
    if ground > 127:
        grey, ground = 255 - grey, 255 - ground
    height, width = grey.shape
    side = max(height, width)
    if height != width:
        square = np.full((side, side), ground, dtype=np.uint8)
        top, left = (side - height) // 2, (side - width) // 2
        square[top : top + height, left : left + width] = grey
        grey = square
    if side == image_size:
        return np.array(grey)
    return np.asarray(Image.fromarray(grey).resize((image_size, image_size), Image.Resampling.BILINEAR)).copy()
