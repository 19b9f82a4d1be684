import sys

import pytest

from hilander.reporting.drawing import INK, new_figure, styled, to_svg


@styled
def draw():
    figure, axes = new_figure(2, 2, width=4, height=3, height_ratios=(2, 1))
    axes[0].set(xlabel="x")
    return figure


def test_the_style_is_used_and_put_back():
    import matplotlib

    names = ("font.size", "text.color", "axes.titleweight")
    before = [matplotlib.rcParams[name] for name in names]
    figure = draw()
    assert [len(figure.axes), figure.axes[0].xaxis.label.get_color()] == [4, INK]
    assert [matplotlib.rcParams[name] for name in names] == before


def test_the_same_figure_gives_the_same_bytes():
    assert to_svg(draw()) == to_svg(draw())


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'hilander\[report\]'"):
        draw()
