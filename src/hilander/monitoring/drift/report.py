"""One HTML file that says what drifted, how sure that is, and shows it; nothing in it is loaded from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hilander.atomic_write import atomic_file
from hilander.evaluation.plotting import to_svg
from hilander.monitoring.drift import plots
from hilander.monitoring.drift.evidently_page import write_evidently_page
from hilander.monitoring.drift.monitor import Comparison
from hilander.monitoring.drift.verdict import SCALAR_TITLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TEMPLATE = "report.html.j2"


def write_drift_report(path: str | Path, comparison: Comparison, *, facts: Mapping[str, str] | None = None) -> Path:
    """Render a comparison, and Evidently's page beside it as ``<name>-evidently.html``.

    Parameters
    ----------
    path : path
        Where to; replaced whole or not at all.
    comparison : Comparison
        From `DriftMonitor.compare`.
    facts : mapping of str to str, optional
        What was compared: heading → text, shown as a list.

    Raises
    ------
    ImportError
        Evidently, Matplotlib or Jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ImportError("jinja2 is not installed; pip install 'hilander[report]'") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hilander.monitoring.drift", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _inline_figure
    path = Path(path)
    evidently = write_evidently_page(path.with_name(f"{path.stem}-evidently.html"), comparison)
    verdict = comparison.verdict
    html = environment.get_template(_TEMPLATE).render(
        verdict=verdict,
        statistics=sorted(verdict.statistics, key=lambda statistic: -statistic.excess),
        n_beyond=sum(statistic.drifted for statistic in verdict.statistics),
        auc=next(statistic for statistic in verdict.statistics if statistic.name == "domain_auc"),
        n_draws=len(comparison.calibration.draws),
        facts=dict(facts or {}),
        evidently=evidently.name,
        overview=plots.plot_statistics(comparison),
        maps=plots.plot_maps(comparison),
        scalars=plots.plot_scalars(comparison, SCALAR_TITLES),
    )
    with atomic_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return path


def _inline_figure(figure: Figure) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(to_svg(figure)).decode()}"
