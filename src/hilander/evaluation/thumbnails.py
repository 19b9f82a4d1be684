"""A strip of small images for each example cluster, groups apart and underlined in their own colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hilander.data.images import as_shown
from hilander.evaluation.examples import Example

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = ("#2f5d8a", "#c9822b", "#4d8a57", "#8a4f8a", "#7a6a58", "#b5301c")
_SIDE, _GAP, _BETWEEN_GROUPS, _LINE = 64, 6, 22, 5


class ImageSource(Protocol):
    """Anything that gives the image of a test item by its row, such as `hilander.data.Images`."""

    def __getitem__(self, i: int, /) -> Image: ...


def draw_strip(example: Example, images: ImageSource) -> Image:
    """Paste the example's items side by side, in the order of its groups.

    Returns
    -------
    Image
        RGB, 64 pixels a thumbnail; colours repeat after six groups.
    """
    from PIL import Image, ImageDraw

    n_items = sum(len(group.rows) for group in example.groups)
    width = n_items * (_SIDE + _GAP) + (len(example.groups) - 1) * _BETWEEN_GROUPS
    strip = Image.new("RGB", (width, _SIDE + 2 * _LINE), "white")
    draw, x = ImageDraw.Draw(strip), 0
    for number, group in enumerate(example.groups):
        start = x
        for row in group.rows:
            picture = _small(images[int(row)])
            strip.paste(picture, (x + (_SIDE - picture.width) // 2, (_SIDE - picture.height) // 2))
            draw.rectangle((x, 0, x + _SIDE - 1, _SIDE - 1), outline="#d9dce0")
            x += _SIDE + _GAP
        line = (start, _SIDE + _LINE - 1, x - _GAP - 1, _SIDE + 2 * _LINE - 2)
        draw.rectangle(line, fill=COLOURS[number % len(COLOURS)])
        x += _BETWEEN_GROUPS
    return strip


def _small(image: Image) -> Image:
    """The picture within the side of a thumbnail; of one that is extremely thin, one pixel is left."""
    picture = as_shown(image).convert("RGB")
    scale = _SIDE / max(picture.size)
    width, height = (max(round(side * scale), 1) for side in picture.size)
    return picture.resize((width, height))
