"""One HTML file that says what drifted, how sure that is, and shows it; nothing in it is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hilander.monitoring.drift import plots
from hilander.monitoring.drift.evidently_page import write_evidently_page
from hilander.monitoring.drift.monitor import Comparison
from hilander.monitoring.drift.verdict import SCALAR_TITLES
from hilander.reporting import load_template, write_page


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
    template = load_template("hilander.monitoring.drift", "report.html.j2")
    path = Path(path)
    evidently = write_evidently_page(path.with_name(f"{path.stem}-evidently.html"), comparison)
    verdict = comparison.verdict
    return write_page(
        path,
        template,
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
