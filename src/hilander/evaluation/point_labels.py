"""Write names beside crowded points so that they cover each other as little as can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FONT_SIZE = 7.5
_DISTANCES = (8, 16, 26, 38, 52)  # in points
_ANGLES = np.radians((0, 180, 30, 330, 150, 210, 60, 300, 120, 240, 90, 270))


@dataclass(frozen=True)
class PointLabel:
    """A name and how it is set."""

    text: str
    colour: str
    bold: bool = False
    italic: bool = False


def label_points(figure: Figure, axis: Axes, points: NDArray[np.float64], labels: Sequence[PointLabel]) -> None:
    """Place each label greedily, first the bold ones, then from the top down, with a thin line to its point.

    Parameters
    ----------
    figure, axis : Figure and Axes
        The layout is settled here: call it when all else has been drawn.
    points : ndarray of shape (m, 2)
        In data coordinates.
    labels : sequence of PointLabel, length m
    """
    figure.draw_without_rendering()
    unit = figure.dpi / 72  # pixels to a point
    frame = axis.get_window_extent()
    inside = np.array([frame.x0, frame.y0, frame.x1, frame.y1])
    pixels = axis.transData.transform(points)
    taken = [np.r_[pixel - 3 * unit, pixel + 3 * unit] for pixel in pixels]
    for i in sorted(range(len(labels)), key=lambda i: (not labels[i].bold, -pixels[i][1])):
        size = unit * np.array([0.6 * _FONT_SIZE * len(labels[i].text), 1.2 * _FONT_SIZE])
        box = min(_boxes(pixels[i], size, unit), key=lambda box: _cost(box, pixels[i], inside, taken, unit))
        taken.append(box)
        x, y = axis.transData.inverted().transform((box[:2] + box[2:]) / 2)
        axis.annotate(
            labels[i].text.replace("$", r"\$"),  # no formula
            (float(points[i][0]), float(points[i][1])),
            xytext=(float(x), float(y)),
            ha="center",
            va="center",
            fontsize=_FONT_SIZE,
            color=labels[i].colour,
            fontweight="bold" if labels[i].bold else "normal",
            fontstyle="italic" if labels[i].italic else "normal",
            arrowprops={"arrowstyle": "-", "color": "#c4c8cc", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 5},
            zorder=2,  # the line ends under its point
        )


def _boxes(point: NDArray[np.float64], size: NDArray[np.float64], unit: float) -> list[NDArray[np.float64]]:
    """Label boxes (x0, y0, x1, y1) around the point, nearest first, each with the side towards it."""
    boxes = []
    for distance in _DISTANCES:
        for angle in _ANGLES:
            direction = np.array([np.cos(angle), np.sin(angle)])
            centre = point + unit * distance * direction + size / 2 * np.array([np.sign(round(direction[0], 1)), 0])
            boxes.append(np.r_[centre - size / 2, centre + size / 2])
    return boxes


def _cost(
    box: NDArray[np.float64],
    point: NDArray[np.float64],
    inside: NDArray[np.float64],
    taken: Sequence[NDArray[np.float64]],
    unit: float,
) -> float:
    """Area covered, in square points, plus what sticks out of the frame and the way to the point."""
    covered = sum(_overlap(box, other) for other in taken) / unit**2
    outside = float(np.maximum(0, inside[:2] - box[:2]).sum() + np.maximum(0, box[2:] - inside[2:]).sum()) / unit
    away = float(np.linalg.norm(np.clip(point, box[:2], box[2:]) - point)) / unit
    return 4 * covered + 20 * outside + away


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    return float(sides.prod()) if (sides > 0).all() else 0.0
