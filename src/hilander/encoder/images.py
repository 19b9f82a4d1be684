"""Images of any size and mode to one small tensor: grey, ink bright on a dark ground, or in colours."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from hilander.data.images import as_shown, check_mode

_LONGEST_SIDE = 8192  # pixels: a strip of few rows would fill the memory as a square of its length

_LOOKED_AT = 200  # images, by which a set is judged
_COLORED_SHARE = 0.1
_COLORED_PIXELS = 0.01
_COLOR_DIFFERENCE = 25  # of 255 between channels: what JPEG makes of grey stays below
_SEEN_SIDE = 64  # pixels, which is enough to see colours


class ImageSequence(Protocol):
    """A list of Pillow images, or anything that decodes one on access, as `hilander.data.Images` does."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, i: int, /) -> Image.Image:
        """Return image `i`, decoded."""


def image_at(images: ImageSequence, i: int) -> Image.Image:
    """Return image `i`, decoded.

    Raises
    ------
    TypeError
        It is no Pillow image, such as a path or an array.
    ValueError
        It has no pixels, or is of a mode that does not say what is light, see `hilander.data.images.check_mode`.
    """
    image = images[i]
    if not isinstance(image, Image.Image):
        raise TypeError(
            f"expected Pillow images, got {type(image).__name__} as image {i}; open a file with PIL.Image.open, make "
            "an image of an array with PIL.Image.fromarray, or read a folder with hilander.data.read_dataset"
        )
    if 0 in image.size:
        raise ValueError(f"image {i} has no pixels, its size is {image.size}; leave it out")
    try:
        check_mode(image)
    except ValueError as error:
        raise ValueError(f"image {i}: {error}") from error
    return image


def prepare_images(images: ImageSequence, image_size: int, color: bool = False, show_progress: bool = False) -> Tensor:
    """Return the images as one tensor; they are read one at a time, so that only the small ones are held in memory.

    Parameters
    ----------
    images : sequence of PIL.Image.Image, length n
        A damaged one raises when it is decoded, others as `image_at` does.
    image_size : int
        Height and width of the result, in pixels.
    color : bool
        Whether colours are kept.
    show_progress : bool
        Draw a progress bar.

    Returns
    -------
    (n, c, image_size, image_size) uint8
        See `prepare_image`; c is 3 in colour, else 1.
    """
    prepared = torch.empty(len(images), 3 if color else 1, image_size, image_size, dtype=torch.uint8)
    for i in tqdm(range(len(images)), desc="reading images", unit="image", disable=not show_progress, leave=False):
        pixels = torch.from_numpy(prepare_image(image_at(images, i), image_size, color))
        prepared[i] = pixels.permute(2, 0, 1) if color else pixels
    return prepared


def prepare_image(image: Image.Image, image_size: int, color: bool = False) -> NDArray[np.uint8]:
    """Return one image padded to a square and resized without aliasing.

    An image of more than 8,192 pixels a side is first made as small as that, one row or column at least. The ground is
    what the median pixel of the border shows, and what the image is padded with. In grey the image is inverted where
    that is bright (ink on paper): then the ground is about 0, as is what augmentation and `views` turn in from outside;
    this stands out as darker corners where the ground is grey. Colours stay as they are.

    Returns
    -------
    (image_size, image_size) uint8, or (image_size, image_size, 3) in colour

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
    >>> prepare_image(Image.new("RGB", (20, 10), "red"), 20, color=True)[0, 0].tolist()
    [255, 0, 0]
    """
    shown = as_shown(image).convert("RGB" if color else "L")
    if (longest := max(shown.size)) > _LONGEST_SIDE:
        width, height = (max(1, round(side * _LONGEST_SIDE / longest)) for side in shown.size)
        shown = shown.resize((width, height), Image.Resampling.BOX)
    pixels = np.asarray(shown)
    ground = np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]), axis=0).astype(np.uint8)
    if not color and ground > 127:
        pixels, ground = 255 - pixels, 255 - ground
    height, width = pixels.shape[:2]
    side = max(height, width)
    if height != width:
        square = np.full((side, side, *pixels.shape[2:]), ground, dtype=np.uint8)
        top, left = (side - height) // 2, (side - width) // 2
        square[top : top + height, left : left + width] = pixels
        pixels = square
    if side == image_size:
        return np.array(pixels)
    return np.asarray(Image.fromarray(pixels).resize((image_size, image_size), Image.Resampling.BILINEAR)).copy()


def show_colors(images: ImageSequence) -> bool:
    """Tell whether a tenth or more of up to 200 of the images, spread evenly, show colours.

    An image does where the channels of one pixel in a hundred or more differ by more than a tenth of their range.
    """
    looked_at = np.unique(np.linspace(0, len(images) - 1, min(len(images), _LOOKED_AT)).astype(int))
    return sum(_shows_colors(image_at(images, int(i))) for i in looked_at) >= _COLORED_SHARE * len(looked_at)


def _shows_colors(image: Image.Image) -> bool:
    shown = as_shown(image)
    if shown.mode in ("1", "L"):
        return False
    small = shown.convert("RGB")
    small.thumbnail((_SEEN_SIDE, _SEEN_SIDE))
    pixels = np.asarray(small).astype(np.int16)
    return bool((np.ptp(pixels, axis=2) > _COLOR_DIFFERENCE).mean() >= _COLORED_PIXELS)
