"""The figures as a page: one table a bed, and how far ours gets between the best baseline and the ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.quality.beds import BEDS, Bed
from benchmarks.record import ROOT
from hilander.atomic_write import atomic_file
from hilander.evaluation import BASELINES, MethodResult
from hilander.evaluation.table import format_table

Rows = Mapping[str, Mapping[str, float]]
_SCORES = {"f_pairwise": "F_P", "f_bcubed": "F_B", "nmi": "NMI", "acc": "ACC"}


def write_page(measured: Mapping[str, Rows], record: Mapping[str, Any]) -> None:
    """Write ``benchmarks/quality.md``."""
    sections = "\n".join(_section(BEDS[bed], rows, record["beds"][bed]) for bed, rows in measured.items())
    with atomic_file(ROOT / "benchmarks" / "quality.md") as path:
        path.write_text(_PAGE.format(summary=_summary(measured), sections=sections, **record), encoding="utf-8")


def best_baseline(rows: Rows, metric: str) -> str:
    """Name of the baseline with the highest score; k-means, which is told the number of clusters, is one of them."""
    return max((name for name in BASELINES if name in rows), key=lambda name: rows[name][metric])


def share_closed(rows: Rows, metric: str) -> float:
    """Share of the way from the best baseline to the ceiling."""
    best = rows[best_baseline(rows, metric)][metric]
    return (rows["hilander"][metric] - best) / (rows["ceiling"][metric] - best)


def error_ratio(rows: Rows, metric: str) -> float:
    """Our error, 1 − F, in units of the best baseline's."""
    return (1 - rows["hilander"][metric]) / (1 - rows[best_baseline(rows, metric)][metric])


def _summary(measured: Mapping[str, Rows]) -> str:
    lines = [
        "| bed | F_P | best baseline | error / its | way to the ceiling | F_B | best baseline | error / its "
        "| way to the ceiling | calibration error |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for bed, rows in measured.items():
        cells = [f"`{bed}`"]
        for metric in ("f_pairwise", "f_bcubed"):
            best = best_baseline(rows, metric)
            ours = rows["hilander"]
            cells += [
                f"{ours[metric]:.3f}" + (f" ± {ours[f'{metric}_std']:.3f}" if f"{metric}_std" in ours else ""),
                f"{rows[best][metric]:.3f} {MethodResult(best).short_title}",
                f"{error_ratio(rows, metric):.2f}",
                f"{share_closed(rows, metric):.0%}",
            ]
        lines.append(f"| {' | '.join(cells)} | {rows['hilander']['ece']:.3f} |")
    return "\n".join(lines)


def table(rows: Rows) -> str:
    """All methods on one bed, as text."""
    n_classes = round(rows["ceiling"]["clusters"])  # on average over the parts
    results = [MethodResult(name, metrics=dict(row), seconds=row["seconds"]) for name, row in rows.items()]
    return format_table(results, n_classes)


def _section(bed: Bed, rows: Rows, when: str) -> str:
    ours = rows["hilander"]
    deviations = ", ".join(
        f"{title} {ours[f'{metric}_std']:.4f}" for metric, title in _SCORES.items() if f"{metric}_std" in ours
    )
    return (
        f"### {bed.title}\n\n```\n{table(rows)}\n```\n\n"
        f"`hilander`: {f'standard deviation over the seeds of {deviations}' if deviations else 'one seed'}. "
        f"Measured on {when}.\n"
    )


_PAGE = """\
# Quality: learned clustering beside every tuned heuristic

No method is told the number of clusters, k-means apart. `hilander` is the mean of 3 training seeds ± their standard
deviation, in transfers one seed, and so is `published`. *Error / its*: (1 − F) of ours over that of the best baseline.
*Way to the ceiling*: from the best baseline to every point at its nearest true class mean. *Calibration error*:
expected, of `probabilities_`.

{summary}

## How each choice was made

Networks are trained, and every threshold and resolution of ours and of the baselines chosen (by F_P + F_B over the
whole grid), on training classes; classes that are tested on play no part. Omniglot learns from the 964 background
characters. Where alphabets are clustered one by one, or classes are uneven, the thresholds of all methods are chosen on
the background characters in that same way. The networks there are those of the whole background; for uneven classes,
trained on eight copies of it that are thinned at random (`n_thinned: 8`, by another law than the bed's). Since
2026-12-01 models learn from three views of their labelled set in fewer dimensions as well (`n_projected: 3`, chosen on
halves of the background, see docs/method.md). The synthetic beds learn from one draw of 20,000 points and are tested on
others. `transfer_<from>_<to>` learns and tunes on one real domain and is tested on another: ours learns from drawn sets
beside it (`n_drawn: 42`, of none of these domains: 42 worlds that small encoders embed, 14 whose items come in styles,
14 sets of pictures and 8 of few, large classes), and suits itself to what is clustered (`linkage_threshold="adapted"`,
`whitening=0.3`). `transfer_general_<to>` is the one model that ships in the package, beside baselines that are tuned on
a third of what it has learned from. Both correct the linkage of items by what is usual in their set
(`graph/linkage_context.py`); models of one labelled set do not. `omniglot_self_trained` is of the same images as
`omniglot_all`, after our encoder has learned further from its own clusters of them (`hilander self-train`, three rounds
of ten epochs, on 2026-11-30, by LANDER without views); what they show, nobody told it, and the baselines cluster these
embeddings too. Our encoder is trained anew on each machine, so its embeddings of Omniglot and of the glyphs are those
of the machine and day of each row. Seconds are those of clustering, for the baselines on a kNN graph that is there
already, on a machine that other work may have shared.

## Every method

{sections}
By `make bench-quality`; each bed on the date, at the commit and on the machine that stand below it.
"""
