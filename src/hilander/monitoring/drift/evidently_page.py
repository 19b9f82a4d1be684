"""Evidently's own page on the scalars, tested at the calibrated thresholds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hilander.atomic_write import atomic_file
from hilander.monitoring.drift.monitor import Comparison
from hilander.monitoring.drift.statistics import DISTANCES, TAIL


def run_evidently(comparison: Comparison) -> Any:
    """Return Evidently's snapshot of the scalars of a window beside those of healthy windows.

    Raises
    ------
    ImportError
        Evidently is not installed.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")  # read at import: no usage data leave this machine
    try:
        from evidently import Report
        from evidently.metrics import MeanValue, QuantileValue, ValueDrift
        from evidently.tests import lte
    except ImportError as error:
        raise ImportError("evidently is not installed; pip install 'hilander[monitoring]'") from error
    limits = comparison.calibration.thresholds
    metrics: list[Any] = []
    for name in comparison.healthy.columns:
        if name in DISTANCES:
            metrics.append(MeanValue(column=name, tests=[lte(limits[f"{name}_mean"])]))
            metrics.append(QuantileValue(column=name, quantile=TAIL, tests=[lte(limits[f"{name}_tail"])]))
        else:
            metrics.append(ValueDrift(column=name, method="wasserstein", threshold=limits[name]))
    rows = comparison.scalars.sample(frac=1, random_state=0)  # like rows stand together, which would look like a trend
    return Report(metrics, include_tests=True).run(rows, comparison.healthy)


def write_evidently_page(path: str | Path, comparison: Comparison) -> Path:
    """Write Evidently's page as one HTML file that needs no network."""
    path = Path(path)
    snapshot = run_evidently(comparison)
    with atomic_file(path) as temporary:
        snapshot.save_html(str(temporary))
    return path
