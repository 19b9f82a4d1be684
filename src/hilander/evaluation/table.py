"""The table of methods as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hilander.evaluation.result import MethodResult

COLUMNS = {  # metric → heading, in the order of every table
    "f_pairwise": "F_P",
    "f_bcubed": "F_B",
    "nmi": "NMI",
    "ari": "ARI",
    "acc": "ACC",
    "clusters": "clusters",
}


def format_metrics(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Draw the table from what ``reports/metrics.json`` holds; see `hilander.evaluation.Evaluation.metrics`."""
    results = [
        MethodResult(name, reason=str(row["reason"])) if "reason" in row else MethodResult(name, metrics=dict(row))
        for name, row in metrics.items()
        if name != "test"
    ]
    return format_table(results, metrics.get("test", {}).get("classes"))


def best_values(results: Sequence[MethodResult]) -> dict[str, float]:
    """The highest value of each score among the methods; the ceiling, and the number of clusters, do not compete."""
    rows = [result.metrics for result in results if result.metrics and not result.is_ceiling]
    return {metric: max(row[metric] for row in rows) for metric in COLUMNS if metric != "clusters"} if rows else {}


def format_table(results: Sequence[MethodResult], n_classes: int | None = None) -> str:
    """Align the methods' scores in columns; ``*`` marks the best of each, the ceiling stands apart.

    Parameters
    ----------
    results : sequence of MethodResult
        Rows, in this order.
    n_classes : int, optional
        True number of classes, named in the heading of the last column.

    Examples
    --------
    >>> scores = {"f_pairwise": 0.5, "f_bcubed": 0.6, "nmi": 0.7, "ari": 0.5, "acc": 0.6, "clusters": 12.0}
    >>> rows = [MethodResult("hilander", metrics=scores), MethodResult("leiden", reason="igraph is not installed")]
    >>> print(format_table(rows, n_classes=10))
    method          F_P     F_B     NMI     ARI     ACC   clusters (10)
    hilander      0.500*  0.600*  0.700*  0.500*  0.600*             12
    Leiden (CPM)  igraph is not installed
    """
    best = best_values(results)
    *scores, clusters = COLUMNS.values()
    headings = [f"{heading} " for heading in scores]  # the blank stands over the mark *
    headings.append(clusters if n_classes is None else f"{clusters} ({n_classes:,})")
    timed = any(result.seconds for result in results)
    rows = [_cells(result, best, timed) for result in results]
    headings += ["seconds"] if timed else []
    widths = [max(map(len, column)) for column in zip(headings, *filter(None, rows), strict=True)]
    first = max(len("method"), *(len(result.title) for result in results)) if results else len("method")

    def line(title: str, cells: Sequence[str]) -> str:
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        return "  ".join([title.ljust(first), *aligned]).rstrip()

    lines = [line("method", headings)]
    for result, cells in zip(results, rows, strict=True):
        if result.is_ceiling:
            lines.append("-" * len(lines[0]))
        lines.append(line(result.title, cells) if cells else f"{result.title.ljust(first)}  {result.reason}")
    return "\n".join(lines)


def _cells(result: MethodResult, best: Mapping[str, float], timed: bool) -> list[str]:
    if not result.metrics:
        return []
    cells = []
    for metric in COLUMNS:
        value = result.metrics[metric]
        if metric == "clusters":
            cells.append(f"{value:,.0f}")
        else:
            cells.append(f"{value:.3f}" + ("*" if is_best(result, metric, best) else " "))
    return [*cells, f"{result.seconds:.1f}"] if timed else cells


def is_best(result: MethodResult, metric: str, best: Mapping[str, float]) -> bool:
    """True where the result shows the best value, to the three digits that are shown."""
    return not result.is_ceiling and metric in best and round(result.metrics[metric], 3) == round(best[metric], 3)
