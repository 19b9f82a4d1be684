"""The general model on sets that it has not learned from and that are no test beds: ``make bench-general``.

What is decided about the general model is decided here: Omniglot's background characters, scikit-learn's digits as bare
pixels, round blobs, and draws of seeds that training does not use. k-means, told the true number, stands beside it.
Takes some fifteen minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from benchmarks.omniglot import weak_embeddings
from benchmarks.record import ROOT, bench_data, write_results
from hilander import HiLander
from hilander.atomic_write import atomic_file
from hilander.data.synthetic_embeddings import draw_embeddings
from hilander.embeddings import check_embeddings
from hilander.metrics import score
from hilander.training.encoded_draws import draw_encoded
from hilander.training.labelled_set import LabelledSet
from hilander.training.parts import parts_of
from hilander.training.picture_draws import draw_pictures

logger = logging.getLogger(__name__)

_UNSEEN_SEED = 10_000  # training draws from seeds far below, and from 20,000 on
_WIDTHS = (32, 128, 1024)

Labelled = tuple[NDArray[np.float32], NDArray]


def main() -> None:
    """Measure and write ``benchmarks/general.md`` and ``benchmarks/results/general.json``."""
    rows, figures = [], {}
    for name, title, sets in _groups():
        ours, kmeans = (_mean([cluster(*each) for each in sets]) for cluster in (_ours, _kmeans))
        for method, row in (("hilander", ours), ("kmeans", kmeans)):
            figures |= {f"{name}.{method}.{metric}": value for metric, value in row.items()}
        n_classes = np.mean([len(np.unique(labels)) for _, labels in sets])
        shown = " | ".join(f"{row['f_pairwise']:.3f} / {row['f_bcubed']:.3f}" for row in (ours, kmeans))
        rows.append(f"| {title} | {n_classes:.0f} | {ours['clusters']:.0f} | {shown} |")
        logger.info(rows[-1])
    record = write_results("general", figures)
    with atomic_file(ROOT / "benchmarks" / "general.md") as path:
        path.write_text(_PAGE.format(rows="\n".join(rows), **record), encoding="utf-8")


def _groups() -> Iterator[tuple[str, str, list[Labelled]]]:
    """Key, title and sets, whose mean is shown."""
    embeddings, labels, _, _ = weak_embeddings()
    yield "omniglot", "Omniglot's background, weak embeddings: 964 characters of 20", [(embeddings, labels)]
    yield "omniglot_uneven", "… 1 to 20 images of each", [_thinned(embeddings, labels)]
    table = pd.read_parquet(bench_data("omniglot.parquet"), columns=["alphabet", "split"])
    alphabets = table["alphabet"][table["split"] == "background"].to_numpy()
    parts = [alphabets == alphabet for alphabet in np.unique(alphabets)]
    yield "omniglot_alphabets", "… each of its 30 alphabets alone", [(embeddings[part], labels[part]) for part in parts]
    yield "omniglot_parts", "… a few of its characters, 6 to 200 images", _parts(embeddings, labels)
    digits = load_digits()
    pixels = check_embeddings(digits.data)
    yield "digits", "scikit-learn's digits, bare pixels: 10 classes of 180", [(pixels, digits.target)]
    few = np.concatenate([np.flatnonzero(digits.target == digit)[:30] for digit in range(10)])
    yield "digits_30", "… 30 images of each", [(pixels[few], digits.target[few])]
    yield "digits_parts", "… 6 to 200 images of some of them", _parts(pixels, digits.target)
    components = PCA(32, random_state=0).fit_transform(digits.data)
    yield "digits_components", "… 32 principal components of all", [(check_embeddings(components), digits.target)]
    for size in (20, 200, 800):
        blobs = [_blobs(12, size, d) for d in _WIDTHS]
        yield f"blobs_{size}", f"12 round blobs of {size}, in {', '.join(map(str, _WIDTHS))} dimensions", blobs
    for key, title, draw in (
        ("encoded", "drawn worlds, as encoders embed them", draw_encoded),
        ("styled", "drawn worlds whose items come in styles", partial(draw_encoded, styles=True)),
        ("drawn", "points drawn around centres", draw_embeddings),
        ("pictures", "drawn pictures that no encoder has seen", draw_pictures),
    ):
        for n in (50, 500, 5000):
            draws = [draw(n, d, seed=_UNSEEN_SEED + i) for i, d in enumerate(3 * _WIDTHS)]
            yield f"{key}_{n}", f"9 × {n:,} {title}", draws
    for key, title, draw, first in (
        ("encoded", "drawn worlds, as encoders embed them", draw_encoded, _UNSEEN_SEED + 20),
        ("drawn", "points drawn around centres", draw_embeddings, _UNSEEN_SEED + 60),
    ):
        draws = [draw(20_000, d, seed=first + i, mean_sizes=(300.0, 3000.0)) for i, d in enumerate((64, 128, 256, 512))]
        yield f"{key}_20000", f"4 × 20,000 {title}, {_mean_size(draws):,.0f} items to a class", draws


def _mean_size(sets: list[Labelled]) -> float:
    """Of the class of an item."""
    return float(np.mean([np.mean(np.bincount(labels)[labels]) for _, labels in sets]))


def _thinned(embeddings: NDArray[np.float32], labels: NDArray) -> Labelled:
    """Keep 1–20 items of each class, mostly few."""
    rng = np.random.default_rng(7)
    kept = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        kept.append(rng.choice(rows, int(np.ceil(len(rows) * rng.random() ** 2)), replace=False))
    rows = np.concatenate(kept)
    return embeddings[rows], labels[rows]


def _parts(embeddings: NDArray[np.float32], labels: NDArray) -> list[Labelled]:
    classes = np.unique(labels, return_inverse=True)[1]
    parts = parts_of([LabelledSet(embeddings, classes)], 60, seed=_UNSEEN_SEED)
    return [(part.embeddings, part.labels) for part in parts]


def _blobs(n_classes: int, size: int, d: int) -> Labelled:
    """Round classes whose spread in all directions together is twice the distance to the middle of all."""
    rng = np.random.default_rng(d)
    labels = np.repeat(np.arange(n_classes), size)
    spread = 2.2 * (d / 128) ** 0.25  # neighbours are told from chance by √d times the cosine within a class
    points = rng.normal(size=(n_classes, d))[labels] + spread * rng.normal(size=(len(labels), d))
    return check_embeddings(points), labels


def _ours(embeddings: NDArray[np.float32], labels: NDArray) -> dict[str, float]:
    return _scores(labels, HiLander().fit_predict(embeddings))


def _kmeans(embeddings: NDArray[np.float32], labels: NDArray) -> dict[str, float]:
    return _scores(labels, KMeans(len(np.unique(labels)), n_init=1, random_state=0).fit_predict(embeddings))


def _mean(scores: list[dict[str, float]]) -> dict[str, float]:
    return {metric: float(np.mean([row[metric] for row in scores])) for metric in scores[0]}


def _scores(labels: NDArray, found: NDArray) -> dict[str, float]:
    scores = score(labels, found)
    return {metric: scores[metric] for metric in ("f_pairwise", "f_bcubed", "nmi", "acc", "clusters")}


_PAGE = """\
# The general model on sets that it has not learned from

F_P / F_B of `HiLander()`, with no label and no training, and of k-means, which is told the true number of classes. None
of these sets is a test bed of [quality.md](quality.md): what is decided about the general model is decided on them.

| set | classes | clusters | `HiLander()` | k-means, true K given |
|---|---|---|---|---|
{rows}

Measured on {date} at commit {commit} on {machine}, by `make bench-general`.
"""

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
