import base64
import sys

import jinja2
import pytest
from PIL import Image

from hilander.reporting import load_template, png_url, write_page
from hilander.reporting.drawing import new_figure, styled


@pytest.fixture
def template(tmp_path, monkeypatch):
    """A report's template in a package of its own."""
    package = tmp_path / "package_of_a_report"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "own.html.j2").write_text(
        '{% extends "page.html.j2" %}{% block title %}own{% endblock %}'
        "{% block style %}.own { color: red; }{% endblock %}"
        '{% block body %}{{ text }} <img src="{{ drawing | figure }}"> <img src="{{ image }}">{% endblock %}'
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield load_template(package.name, "own.html.j2")
    sys.modules.pop(package.name)


@styled
def draw():
    figure, (axis,) = new_figure(1, 1, width=2, height=1)
    axis.plot([0, 1])
    return figure


def test_a_page_escapes_text_and_holds_style_and_pictures(template, tmp_path, loads_nothing):
    content = {"text": "<b>", "drawing": draw(), "image": png_url(Image.new("L", (3, 2)))}
    html = write_page(tmp_path / "page.html", template, **content).read_text(encoding="utf-8")
    assert "<title>hilander: own</title>" in html
    assert html.index("--ours: #b5301c") < html.index(".own { color: red; }") < html.index("</style>")
    assert "&lt;b&gt; <img" in html
    assert loads_nothing(html)
    drawing = base64.b64decode(html.partition("image/svg+xml;base64,")[2].partition('"')[0])
    assert b"<svg" in drawing


def test_what_a_template_lacks_is_an_error_and_leaves_the_old_page(template, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(jinja2.UndefinedError, match="text"):
        write_page(path, template)
    assert path.read_text() == "old"


def test_without_jinja2_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'hilander\[report\]'"):
        load_template("hilander.evaluation", "report.html.j2")
