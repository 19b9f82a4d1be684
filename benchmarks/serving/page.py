"""The page of the figures that were measured last, part by part."""

from __future__ import annotations

import json
import math
from pathlib import Path

from hilander.atomic_write import atomic_file

PARTS = ("latency", "load", "kill", "fuzz", "end_to_end")
_HEAD = """\
# The service over HTTP

Client and server share one machine; the server is `bentoml serve` on a release of the built-in glyphs (a catalogue of
7,161 × 128), started as by `make serve`, with one worker, or two where it says so. Each part is a run of its own
(`python -m benchmarks.serving PART`), and says when it was.
"""
_TITLES = {
    "latency": "## Latency and throughput",
    "load": "## Long load",
    "kill": "## A killed worker",
    "fuzz": "## Fuzzing",
    "end_to_end": "## End to end",
}
_WORDS = {
    "latency": (
        "Ten seconds of each. Milliseconds from sending a request to having its answer; requests served a second by\n"
        "all clients together. A 413 says that the JSON is beyond its limit (16 MiB) and to send `.npy`; a 429 that\n"
        "there is no room at the moment. More than 20,000 rows to `/cluster` become a task."
    ),
    "load": (
        "Two workers, eight clients, nine good requests (`/assign`, `/cluster`, `/encode`; JSON and binary) to one\n"
        "hostile one (broken JSON, NaN, cut `.npy`, no image, half an image). Lost: neither answered nor refused.\n"
        "Memory is that of all processes of the service, every five seconds."
    ),
    "kill": "The same load; the busier of the two workers is killed half-way (SIGKILL). Clients do not try again.",
    "fuzz": "schemathesis against the service's own OpenAPI description: its examples, then generated requests.",
    "end_to_end": (
        "The model that `dvc repro` made, in service: the evaluation embeddings as `.npy` and the evaluation images\n"
        "as a zip, beside the labels that `dvc repro` wrote. Then `flows/monitor.py` on what was captured of the\n"
        "images of three tenths of the classes, and of the same turned by 30° (exit code 0: no drift, 3: drift)."
    ),
}


def write_page(results: Path, path: Path) -> str:
    """Write the page from the figures of all parts that there are; return it."""
    sections = [_HEAD]
    for part in PARTS:
        file = results / f"serving_{part}.json"
        if not file.is_file():
            continue
        record = json.loads(file.read_text(encoding="utf-8"))
        measured = f"Measured on {record['date']} at commit {record['commit']} on {record['machine']}."
        table = _latency_table if part == "latency" else _table
        sections += [_TITLES[part], "", _WORDS[part], "", *table(record["figures"]), "", measured, ""]
    text = "\n".join(sections).rstrip() + "\n"
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


def _latency_table(figures: dict[str, float]) -> list[str]:
    rows: dict[str, dict[str, float]] = {}
    for name, value in figures.items():
        case, key = name.rsplit(": ", 1)
        rows.setdefault(case, {})[key] = value
    cases = {case: row for case, row in rows.items() if case.startswith("/")}
    columns = list(next(iter(cases.values())))
    lines = [
        f"| path | rows | body | clients | {' | '.join(columns)} |",
        "|---" * 3 + "|--:" * (1 + len(columns)) + "|",
        *(
            f"| {case} | {' | '.join(_number(row.get(column, math.nan)) for column in columns)} |"
            for case, row in cases.items()
        ),
    ]
    titles = {
        "overload": "Overload: three times as many at once as there is room for, 5,000 × 256 each, then one more",
        "task": "A long `/cluster`, binary, as a task: from sending the rows to having the labels, beside the library",
        "tasks": "The same from 16 clients at once",
    }
    for case, title in titles.items():
        if case in rows:
            lines += ["", f"{title}:", "", *_table(rows[case])]
    return lines


def _table(figures: dict[str, float]) -> list[str]:
    return ["| | |", "|---|--:|", *(f"| {name} | {_number(value)} |" for name, value in figures.items())]


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1_000 else f"{value:,.3g}"
