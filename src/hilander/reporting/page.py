"""Render a template to one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from hilander.atomic_write import atomic_file
from hilander.reporting.drawing import to_svg

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.figure import Figure
    from PIL.Image import Image


def load_template(package: str, name: str) -> Template:
    """Load a report's template; load it first, so that what is missing is said before the work.

    Parameters
    ----------
    package : str
        Dotted name of the package that the template lies in.
    name : str
        Its file name. It extends ``page.html.j2``, which brings the style sheet, and fills the blocks ``title`` and
        ``body``, and ``style`` with rules of its own. Values are escaped, an unknown name is an error, and
        ``{{ a_matplotlib_figure | figure }}`` is the URL of the drawing itself, ``{{ 1234 | number }}`` is 1,234. What
        several reports show is included: ``cluster_cards.html.j2`` and ``found_clusters.html.j2``.

    Raises
    ------
    ImportError
        Jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ImportError("jinja2 is not installed; pip install 'hilander[report]'") from error
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(place, ".") for place in (package, "hilander.reporting")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": _figure_url, "number": "{:,}".format}
    return environment.get_template(name)


def write_page(path: str | Path, template: Template, /, **content: object) -> Path:
    """Render a template and write it as UTF-8.

    Parameters
    ----------
    path : path
        Where to; replaced whole or not at all.
    template : Template
        From `load_template`.
    **content
        The names that the template reads.

    Returns
    -------
    Path
        Of the page.
    """
    path = Path(path)
    html = template.render(content)
    with atomic_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return path


def data_url(content: bytes, media_type: str) -> str:
    """Return a URL that holds its content itself.

    Examples
    --------
    >>> data_url(b"hi", "text/plain")
    'data:text/plain;base64,aGk='
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def png_url(image: Image) -> str:
    """Return a URL that holds an image as PNG."""
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return data_url(content.getvalue(), "image/png")


def _figure_url(figure: Figure) -> str:
    return data_url(to_svg(figure), "image/svg+xml")
