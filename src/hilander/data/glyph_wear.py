"""Real-world wear for clean glyph drawings: bent, worn, smeared, badly lit and noisy, as on old labels and signs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

SIZE = 32
_GREY_LEVELS = 16  # what a small file needs; the eye sees no difference at this size


def wear(drawing: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a worn photograph of `drawing`, dark ink on light ground.

    Parameters
    ----------
    drawing : (s, s) float32
        Ink 0..1, at a higher resolution than the result.
    rng : numpy Generator
        Everything random comes from it.

    Returns
    -------
    (32, 32) uint8
        One of 16 grey levels per pixel.
    """
    ink = _press(drawing, rng)
    ink = _bend(ink, rng)
    ink = _scratch(ink, rng)
    return _photograph(ink, rng)


def _press(drawing: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Thin or thicken the strokes, as too little or too much ink does: blur, then cut at another height."""
    blurred = gaussian_filter(drawing, sigma=rng.uniform(0.8, 2.0))
    cut = rng.uniform(0.3, 0.55) * blurred.max()
    return np.clip((blurred - cut) * 8 + 0.5, 0, 1)


def _bend(ink: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Turn, shear, stretch, shift and warp, sampling at the final size."""
    size = len(ink)
    angle, shear = np.deg2rad(rng.normal(0, 6)), rng.normal(0, 0.08)
    stretch = rng.uniform(0.95, 1.25, size=2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, shear], [0, 1]]) @ np.diag(stretch) * (size / SIZE)
    warp = gaussian_filter(rng.normal(size=(2, SIZE, SIZE)), sigma=(0, 5, 5), mode="reflect")
    warp *= rng.uniform(0, 1.5) / warp.std()  # in pixels of the drawing, one standard deviation
    grid = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2 + rng.normal(0, 1.0, size=(2, 1, 1))
    where = np.tensordot(matrix, grid, axes=1) + (size - 1) / 2 + warp
    return map_coordinates(gaussian_filter(ink, 0.8), where, order=1)


def _scratch(ink: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Wear patches of the ink off, and leave a few smears of it elsewhere."""
    patches = gaussian_filter(rng.normal(size=(2, SIZE, SIZE)), sigma=(0, 1.8, 1.8), mode="reflect")
    patches /= patches.std(axis=(1, 2), keepdims=True)
    worn = np.clip((patches[0] - rng.uniform(1.4, 2.8)) * 2, 0, 1)
    smeared = np.clip((patches[1] - rng.uniform(2.4, 3.4)) * 2, 0, 1)
    return np.maximum(ink * (1 - worn), smeared)


def _photograph(ink: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Defocus, light unevenly, add the noise of the sensor, and keep a few grey levels."""
    ink = gaussian_filter(ink, sigma=rng.uniform(0, 0.7))
    light = gaussian_filter(rng.normal(size=(SIZE, SIZE)), sigma=10, mode="reflect")
    ground = rng.uniform(0.85, 1.0) + 0.06 * light / np.abs(light).max()
    grey = ground - rng.uniform(0.55, 0.9) * ink + rng.normal(0, rng.uniform(0, 0.05), size=ink.shape)
    levels = np.round(np.clip(grey, 0, 1) * (_GREY_LEVELS - 1))
    return (levels * (255 // (_GREY_LEVELS - 1))).astype(np.uint8)
