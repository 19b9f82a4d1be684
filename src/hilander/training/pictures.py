"""Drawn pictures: classes are shapes, of strokes or blobs, and items their distortions, as handwriting and photos are.

Points that spread around centres leave a gap between classes, or none because they are round and overlap. Pictures of
one thing lie on a curved sheet instead: each is near a few others, which have other ones near, and the whole class is
far wider than the lists of neighbours of its items.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

SIDE = 28  # pixels

_KINDS = ("strokes", "blobs", "textured")
_NUMBERS_OF_SHAPES = (1, 1, 2, 3)  # that a class has
_MOST_STROKES = 4
_POINTS_PER_STROKE = 24
_PICTURES_PER_CHUNK = 1024
_FAR = 9.0


class Pictures:
    """Classes of shapes, whose items are turned, stretched, bent, and drawn with thicker or thinner lines.

    A shape is a field over the plane, positive within it: the width of a pen minus the distance to random curves, or
    smooth noise. An item is the field seen through a distorted grid, raised or lowered, and put through a sigmoid.

    Parameters
    ----------
    rng : Generator
        Decides what kind of pictures these are; shapes and distortions come from torch's.
    closeness : float
        Factor on all distortions.
    """

    def __init__(self, rng: np.random.Generator, closeness: float) -> None:
        self._rng = rng
        self._kind = rng.choice(_KINDS)
        self._n_shapes = int(rng.choice(_NUMBERS_OF_SHAPES))
        self._turn = rng.uniform(0, 0.5) * closeness
        self._stretch = rng.uniform(0, 0.3) * closeness
        self._shear = rng.uniform(0, 0.4) * closeness
        self._move = rng.uniform(0, 0.25) * closeness
        self._bend, self._bends = rng.uniform(0.02, 0.25) * closeness, int(rng.integers(3, 7))
        self._pen, self._softness = rng.uniform(0.04, 0.16), rng.uniform(0.03, 0.15)
        self._thickness = rng.uniform(0, 0.5) * closeness * self._pen
        self._noise = rng.uniform(0, 0.25) * rng.choice([0, 1]) * closeness
        self._light = rng.uniform(0, 0.5) * rng.choice([0, 1]) * closeness
        self._detail, self._texture_detail = int(rng.integers(4, 9)), int(rng.integers(4, 12))
        self._n_families = int(rng.choice([0, 0, int(rng.integers(2, 20))]))
        self._step = rng.uniform(0.4, 1.0)  # from a family's shape to that of a class of it

    def draw(self, sizes: NDArray[np.int64]) -> tuple[Tensor, NDArray[np.int64]]:
        """Draw items of new classes of these sizes.

        Returns
        -------
        pictures : Tensor of shape (n, 28, 28), float32
            Within [0, 1].
        labels : ndarray of shape (n,), int64
        """
        labels = np.repeat(np.arange(len(sizes)), sizes)
        n_shapes = len(sizes) * self._n_shapes
        shapes = self._shapes(n_shapes)
        textures = _smooth(n_shapes, self._texture_detail) if self._kind == "textured" else None
        shape_of = labels * self._n_shapes + self._rng.integers(self._n_shapes, size=len(labels))
        chunks = torch.from_numpy(shape_of).split(_PICTURES_PER_CHUNK)
        pictures = [self._seen(shapes[chunk], None if textures is None else textures[chunk]) for chunk in chunks]
        return torch.cat(pictures), labels

    def _shapes(self, n: int) -> Tensor:
        if self._kind == "strokes":
            return self._pen - _distances_to_strokes(n, int(self._rng.integers(1, _MOST_STROKES + 1)))
        shapes = _smooth(n, self._detail)
        if self._n_families:
            families = torch.from_numpy(self._rng.integers(self._n_families, size=n))
            shapes = _smooth(self._n_families, self._detail)[families] + self._step * shapes
        to_middle = _plane().square().sum(dim=2)
        return self._softness * (2 * shapes / shapes.std() + 6 * (0.4 - to_middle))

    def _seen(self, shapes: Tensor, textures: Tensor | None) -> Tensor:
        n, grid = len(shapes), self._grid(len(shapes))
        raised = _through(grid, shapes) + self._thickness * torch.randn(n, 1, 1)
        pictures = (raised / self._softness).sigmoid()
        if textures is not None:
            bright = 1.5 * _through(grid, textures) + self._light * torch.randn(n, 1, 1)
            pictures = pictures * (1 + bright.sigmoid()) / 2
        shade = interpolate(torch.randn(n, 1, 2, 2), size=(SIDE, SIDE), mode="bilinear", align_corners=True)[:, 0]
        return (pictures * (1 + self._light * shade) + self._noise * torch.randn_like(pictures)).clamp(0, 1)

    def _grid(self, n: int) -> Tensor:
        """Where each pixel of each item looks on the plane, (n, 28, 28, 2)."""
        angle, shear = self._turn * torch.randn(n), self._shear * torch.randn(n)
        stretch = (self._stretch * torch.randn(n, 2)).exp()
        linear = torch.stack(
            [angle.cos() * stretch[:, 0], shear - angle.sin(), angle.sin(), angle.cos() * stretch[:, 1]], dim=1
        ).view(n, 2, 2)
        moved = self._move * torch.randn(n, 2, 1)
        bends = torch.randn(n, 2, self._bends, self._bends)
        bent = interpolate(bends, size=(SIDE, SIDE), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
        straight = affine_grid(torch.cat([linear, moved], dim=2), [n, 1, SIDE, SIDE], align_corners=False)
        return straight + self._bend * bent


def _through(grid: Tensor, fields: Tensor) -> Tensor:
    return grid_sample(fields[:, None], grid, padding_mode="border", align_corners=False)[:, 0]


def _smooth(n: int, detail: int) -> Tensor:
    """Random fields (n, 28, 28) of variance 1, smooth between so many points a side."""
    fields = interpolate(torch.randn(n, 1, detail, detail), size=(SIDE, SIDE), mode="bicubic", align_corners=True)[:, 0]
    return fields / fields.std()


def _distances_to_strokes(n: int, n_strokes: int) -> Tensor:
    """Distance (n, 28, 28) of each pixel to the nearest of a few Bézier curves, some of which are left out."""
    t = torch.linspace(0, 1, _POINTS_PER_STROKE)
    bernstein = torch.stack([(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3], dim=1)
    pixels = _plane().reshape(1, -1, 2)
    nearest = torch.full((n, SIDE * SIDE), _FAR)
    for stroke in range(n_strokes):
        points = bernstein @ (1.5 * torch.rand(n, 4, 2) - 0.75)
        drawn = torch.rand(n, 1) < (0.75 if stroke else 1.0)
        chunks = points.split(_PICTURES_PER_CHUNK)
        distances = torch.cat([torch.cdist(pixels.expand(len(each), -1, -1), each).amin(dim=2) for each in chunks])
        nearest = torch.where(drawn, torch.minimum(nearest, distances), nearest)
    return nearest.view(n, SIDE, SIDE)


def _plane() -> Tensor:
    """Coordinates of the pixels, (28, 28, 2), within [-1, 1]."""
    line = torch.linspace(-1, 1, SIDE)
    return torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=2)
