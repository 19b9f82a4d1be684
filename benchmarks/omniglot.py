"""Every method on Omniglot's 659 unseen characters at once: ``make bench-omniglot``.

The encoder, LANDER and every threshold are learned on ``background`` alone; ``evaluation`` is looked at once, by the
finished methods. This is the bed ``omniglot_all`` of ``make bench-quality``, with the encoder's own accuracy.
Finished parts are kept in ``benchmarks/.work``, so an interrupted run carries on; delete that folder to measure anew.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import ROOT, bench_data, write_results
from hilander.atomic_write import atomic_file
from hilander.config import EncoderParams, NetworkParams
from hilander.data import read_dataset
from hilander.embeddings import check_embeddings
from hilander.encoder import load_encoder, train_encoder
from hilander.metrics import one_nn_accuracy
from hilander.self_training import self_train

logger = logging.getLogger(__name__)

WORK = ROOT / "benchmarks" / ".work" / "omniglot"
ENCODER = EncoderParams(
    image_size=40,
    width=64,
    margin=20.0,
    epochs=90,
    batch_size=64,
    rotate_classes=True,
    held_out_share=0.0,
    ensemble=(
        NetworkParams(),
        NetworkParams(image_size=48, width=48, epochs=40),
        NetworkParams(image_size=32, epochs=75),
    ),
    average_views=True,
    whitening=0.3,
)

Bed = tuple[NDArray[np.float32], NDArray, NDArray[np.float32], NDArray]


def main() -> None:
    """Measure and write ``benchmarks/omniglot.md`` and ``benchmarks/results/omniglot.json``."""
    from benchmarks.quality.beds import BEDS  # which loads its embeddings from here
    from benchmarks.quality.measure import measure
    from benchmarks.quality.page import table

    bed = BEDS["omniglot_all"]
    rows = measure(bed)
    one_nn = one_nn_accuracy(*our_embeddings()[2:])
    figures = {f"{bed.name}.{method}.{metric}": value for method, row in rows.items() for metric, value in row.items()}
    record = write_results("omniglot", {"encoder.one_nn": one_nn} | figures)
    with atomic_file(ROOT / "benchmarks" / "omniglot.md") as path:
        path.write_text(_PAGE.format(one_nn=one_nn, table=table(rows), **record), encoding="utf-8")
    print(f"1-NN accuracy on evaluation: {one_nn:.4f}\n{table(rows)}")


def our_embeddings() -> Bed:
    """Train the encoder on background, or carry on where an earlier run stopped, and embed both parts."""
    saved = WORK / "embeddings.npz"
    if not saved.exists():
        dataset = read_dataset(bench_data("omniglot.parquet"))
        background, evaluation = dataset.split("background"), dataset.split("evaluation")
        if not (WORK / "encoder" / "config.json").exists():
            started = time.perf_counter()
            encoder, _ = train_encoder(
                background.images, background.labels, ENCODER, checkpoint_folder=WORK / "checkpoint", show_progress=True
            )
            encoder.save(WORK / "encoder")
            logger.info("encoder: %.0f s", time.perf_counter() - started)
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


def self_trained_embeddings() -> Bed:
    """Train our encoder further on its own clusters of the evaluation images, whose labels play no part."""
    saved = WORK / "self_trained_embeddings.npz"
    if not saved.exists():
        _, background_labels, _, evaluation_labels = our_embeddings()
        dataset = read_dataset(bench_data("omniglot.parquet"))
        background, evaluation = dataset.split("background"), dataset.split("evaluation")
        started = time.perf_counter()
        result = self_train(
            load_encoder(WORK / "encoder"),
            background.images,
            background.labels,
            evaluation.images,
            ENCODER,
            checkpoint_folder=WORK / "self_training",
            show_progress=True,
        )
        logger.info("self-training: %.0f s, %s", time.perf_counter() - started, result.rounds)
        result.encoder.save(WORK / "self_trained_encoder")
        with atomic_file(saved) as path:
            np.savez(
                path,
                background=result.labelled_embeddings,
                background_labels=background_labels,
                evaluation=result.embeddings,
                evaluation_labels=evaluation_labels,
            )
    return _read_bed(saved)


def weak_embeddings() -> Bed:
    """The fixed embeddings that every figure of the design was measured on."""
    return _read_bed(bench_data("omniglot_weak_embeddings.npz"))


def _read_bed(path: Any) -> Bed:
    with np.load(path, allow_pickle=False) as arrays:
        return (
            check_embeddings(arrays["background"]), arrays["background_labels"],
            check_embeddings(arrays["evaluation"]), arrays["evaluation_labels"],
        )  # fmt: skip


_PAGE = """\
# Omniglot: all 659 unseen characters at once

13,180 images of the 20 evaluation alphabets are clustered at once; the number of clusters is not given (k-means
alone is told it). Encoder, LANDER and every threshold are learned on the 964 background characters alone. `hilander`
is the mean of 3 training seeds; their deviations, and the seconds of training, are in
[results/omniglot.json](results/omniglot.json). Seconds are those of clustering the 13,180 embeddings, for methods
on the shared kNN graph without building it.

1-NN accuracy on evaluation: {one_nn:.4f}.

```
{table}
```

Measured on {date} at commit {commit} on {machine}, by `make bench-omniglot`.
"""

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
