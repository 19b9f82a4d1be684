"""Every method on Omniglot's 659 unseen characters at once: ``make bench-omniglot``.

The encoder, LANDER and every threshold are learned on ``background`` alone; ``evaluation`` is looked at once, by the
finished methods. ``python -m benchmarks.omniglot --weak`` adds the fixed weak embeddings that lie beside the data.
Finished parts are kept in ``benchmarks/.work``, so an interrupted run carries on; delete that folder to measure anew.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import ROOT, bench_data, write_results
from hilander import HiLander, train_lander
from hilander.atomic_write import atomic_file
from hilander.config import EncoderParams, PublishedParams
from hilander.data import read_dataset
from hilander.embeddings import check_embeddings
from hilander.encoder import load_encoder, train_encoder
from hilander.evaluation import BASELINES, MethodResult, evaluate_baselines
from hilander.evaluation.table import COLUMNS, format_table
from hilander.metrics import one_nn_accuracy

logger = logging.getLogger(__name__)

WORK = ROOT / "benchmarks" / ".work" / "omniglot"
METRICS = tuple(COLUMNS)
SEEDS = (0, 1, 2)
ENCODER = EncoderParams(image_size=40, width=48, loss="arcface", margin=20.0, rotate_classes=True, epochs=45)
PUBLISHED = PublishedParams(epochs=40, batch_size=20_000)  # whole graphs: as many looks at each edge, fewer steps

Bed = tuple[NDArray[np.float32], NDArray, NDArray[np.float32], NDArray]


def main() -> None:
    """Measure and write ``benchmarks/omniglot.md`` and ``benchmarks/results/omniglot.json``."""
    figures, tables = {}, []
    beds = [("omniglot_all", "Embeddings of our encoder", our_embeddings)]
    if "--weak" in sys.argv[1:]:
        beds.append(("omniglot_all_weak", "The given weak embeddings", weak_embeddings))
    for bed, title, load in beds:
        data = load()
        one_nn = one_nn_accuracy(data[2], data[3])
        if bed == "omniglot_all":
            figures["encoder.one_nn"] = one_nn
        rows = measure(bed, data)
        for name, row in rows.items():
            figures |= {f"{bed}.{name}.{metric}": value for metric, value in row.items()}
        tables.append(f"## {title}\n\n1-NN accuracy on evaluation: {one_nn:.3f}.\n\n```\n{_table(rows)}\n```\n")
    record = write_results("omniglot", figures)
    with atomic_file(ROOT / "benchmarks" / "omniglot.md") as path:
        path.write_text(_PAGE.format(tables="\n".join(tables), **record), encoding="utf-8")
    print("\n".join(tables))


def our_embeddings() -> Bed:
    """Train the encoder on background, or carry on where an earlier run stopped, and embed both parts."""
    saved = WORK / "embeddings.npz"
    if not saved.exists():
        dataset = read_dataset(bench_data("omniglot.parquet"))
        background, evaluation = dataset.split("background"), dataset.split("evaluation")
        if not (WORK / "encoder" / "config.json").exists():
            started = time.perf_counter()
            encoder, history = train_encoder(
                background.images, background.labels, ENCODER, checkpoint_folder=WORK / "checkpoint", show_progress=True
            )
            encoder.save(WORK / "encoder")
            best = max(record.held_out_one_nn for record in history)
            logger.info("encoder: %.0f s, held-out 1-NN %.4f", time.perf_counter() - started, best)
        encoder = load_encoder(WORK / "encoder")
        with atomic_file(saved) as path:
            np.savez(
                path,
                background=encoder.encode(background.images, show_progress=True),
                background_labels=background.labels,
                evaluation=encoder.encode(evaluation.images, show_progress=True),
                evaluation_labels=evaluation.labels,
            )
    return _read_bed(saved)


def weak_embeddings() -> Bed:
    """The fixed embeddings that every figure of the design was measured on."""
    return _read_bed(bench_data("omniglot_weak_embeddings.npz"))


def measure(bed: str, data: Bed) -> dict[str, dict[str, float]]:
    """Ours (mean and standard deviation of 3 seeds), the published variant, every baseline and the ceiling."""
    ours = [_part(f"{bed}.hilander.{seed}", lambda seed=seed: _learned(data, "hilander", seed)) for seed in SEEDS]
    mean = {metric: float(np.mean([row[metric] for row in ours])) for metric in ours[0]}
    deviation = {f"{metric}_std": float(np.std([row[metric] for row in ours], ddof=1)) for metric in METRICS}
    rows = {"hilander": mean | deviation}
    rows["published"] = _part(f"{bed}.published", lambda: _learned(data, "published", 0))
    for name in BASELINES:
        rows[name] = _part(f"{bed}.{name}", lambda name=name: _baseline(data, name))
    rows["ceiling"] = _part(f"{bed}.ceiling", lambda: _baseline(data, "ceiling"))
    return rows


def _learned(data: Bed, variant: str, seed: int) -> dict[str, float]:
    train, train_labels, test, test_labels = data
    started = time.perf_counter()
    params = PUBLISHED if variant == "published" else None
    model = train_lander(train, train_labels, variant=variant, params=params, random_state=seed, show_progress=True)
    trained = time.perf_counter()
    clusterer = HiLander(model).fit(test)
    result = MethodResult.from_labels(variant, test_labels, clusterer.labels_, seconds=time.perf_counter() - trained)
    return _figures(result) | {"train_seconds": trained - started}


def _baseline(data: Bed, name: str) -> dict[str, float]:
    names = () if name == "ceiling" else (name,)
    results = {result.name: result for result in evaluate_baselines(names, *data, seed=0, show_progress=True)}
    return _figures(results[name])


def _figures(result: MethodResult) -> dict[str, float]:
    if result.reason:
        raise RuntimeError(f"{result.name} did not run: {result.reason}")
    return {metric: result.metrics[metric] for metric in METRICS} | {"seconds": result.seconds}


def _part(name: str, compute: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Figures of one method, from an earlier run where it got so far."""
    path = WORK / f"{name}.json"
    if not path.exists():
        figures = compute()
        logger.info("%s: %s", name, {key: round(value, 3) for key, value in figures.items()})
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(figures), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def _read_bed(path: Any) -> Bed:
    with np.load(path, allow_pickle=False) as arrays:
        return (
            check_embeddings(arrays["background"]), arrays["background_labels"],
            check_embeddings(arrays["evaluation"]), arrays["evaluation_labels"],
        )  # fmt: skip


def _table(rows: dict[str, dict[str, float]]) -> str:
    results = [MethodResult(name, metrics=row, seconds=row["seconds"]) for name, row in rows.items()]
    return format_table(results, n_classes=659)


_PAGE = """\
# Omniglot: all 659 unseen characters at once

13,180 images of the 20 evaluation alphabets are clustered at once; the number of clusters is not given (k-means
alone is told it). Encoder, LANDER and every threshold are learned on the 964 background characters alone. `hilander`
is the mean of 3 training seeds; their deviations, and the seconds of training, are in
[results/omniglot.json](results/omniglot.json). Seconds are those of clustering the 13,180 embeddings, for methods
on the shared kNN graph without building it.

{tables}
Measured on {date} at commit {commit} on {machine}, by `make bench-omniglot`.
"""

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
