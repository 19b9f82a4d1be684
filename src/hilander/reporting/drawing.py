"""Colours and style of every report's figures, drawn with Matplotlib without a display."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec

from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS, PUBLISHED, BASELINE, CEILING = "#b5301c", "#2f5d8a", "#6b7075", "#9aa0a6"
INK, PALE, RULE = "#1f2328", "#b8bec5", "#d9dce0"
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": CEILING,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": BASELINE,
    "ytick.color": BASELINE,
}

P = ParamSpec("P")


def styled(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the reports' style and leave Matplotlib's own settings as they are.

    Raises
    ------
    ImportError
        When the function is called and Matplotlib is not installed.
    """

    @functools.wraps(plot)
    def styled_plot(*args: P.args, **kwargs: P.kwargs) -> Figure:
        try:
            import matplotlib
        except ImportError as error:
            raise ImportError("matplotlib is not installed; pip install 'hilander[report]'") from error
        with matplotlib.rc_context(_STYLE):
            return plot(*args, **kwargs)

    return styled_plot


def new_figure(
    rows: int,
    columns: int,
    *,
    width: float,
    height: float,
    height_ratios: Sequence[float] | None = None,
    sharex: bool = False,
    dpi: float | None = None,
) -> tuple[Figure, NDArray]:
    """Return an empty figure and its axes, row by row; call it in a `styled` function.

    Parameters
    ----------
    rows, columns : int
        Of axes.
    width, height : float
        In inches.
    height_ratios : sequence of float, length `rows`, optional
        Heights of the rows beside each other.
    sharex : bool
        Whether all axes have one x axis.
    dpi : float, optional
        Of what is drawn as pixels.

    Returns
    -------
    figure : Figure
    axes : ndarray of shape (rows * columns,), Axes
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=dpi)
    FigureCanvasAgg(figure)  # no display, no global pyplot state
    axes = figure.subplots(rows, columns, sharex=sharex, height_ratios=height_ratios, squeeze=False)
    return figure, axes.ravel()


def to_svg(figure: Figure) -> bytes:
    """Render as SVG, letters as shapes; the same figure gives the same bytes."""
    import matplotlib

    content = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "hilander"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()
