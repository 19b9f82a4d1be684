"""False alarms and power of the drift monitor, and its seconds: ``python -m benchmarks.drift``.

``synthetic``: 256-dimensional Gaussian rows without labels. ``glyphs``: the embeddings of the test split under
``artifacts/``, of which the classes of some scripts are the reference and windows come from the other classes; worn
windows are the same images, rotated or blurred, encoded again. Images of another domain are Omniglot's.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from benchmarks.record import ROOT, write_results
from hilander import HiLander
from hilander.atomic_write import atomic_file
from hilander.data import read_dataset
from hilander.embeddings import check_labels
from hilander.encoder import load_encoder
from hilander.metrics import score
from hilander.models.clustering_model import ClusteringModel
from hilander.monitoring.drift import DriftMonitor
from hilander.monitoring.drift.report import write_drift_report

logger = logging.getLogger(__name__)

N_FALSE, N_POWER = 200, 40  # windows
N_SPLITS = 5  # of the glyphs into reference and rest
THIN = (100, 500, 1500)  # rows drawn at random from all classes outside the reference
REFERENCE_SHARE, WINDOW_SHARE = 0.6, 0.6  # of the classes; of the other classes, in one window
WEAR: dict[str, Callable[[Image.Image], Image.Image]] = {
    "rotated_15": lambda image: image.rotate(15, fillcolor=_paper(image)),
    "rotated_30": lambda image: image.rotate(30, fillcolor=_paper(image)),
    "rotated_90": lambda image: image.rotate(90),
    "blurred_1": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "blurred_1.5": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "blurred_2": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
}

Embeddings = NDArray[np.float32]


def main() -> None:
    """Measure and write ``benchmarks/drift.md`` and ``benchmarks/results/drift.json``."""
    figures = synthetic()
    notes: list[str] = []
    if (ROOT / "artifacts" / "embeddings" / "test" / "embeddings.npy").is_file():
        found, notes = glyphs()
        figures |= found
    else:
        notes.append("Glyphs were left out: there are no artifacts of a pipeline run; `dvc repro` makes them.")
    record = write_results("drift", figures)
    measured: dict[str, float] = record["figures"]
    rows = "\n".join(f"| {name} | {value:.3g} |" for name, value in measured.items() if ".wear." not in name)
    worn = "\n".join(
        f"| {name} | {measured[f'glyphs.wear.{name}.cosine_to_itself']:.3f} | "
        f"{measured[f'glyphs.wear.{name}.f_pairwise']:.3f} | {measured.get(f'glyphs.power.{name}', np.nan):.3g} |"
        for name in WEAR
        if f"glyphs.power.{name}" in measured
    )
    unworn = measured.get("glyphs.wear.as_it_is.f_pairwise", np.nan)
    with atomic_file(ROOT / "benchmarks" / "drift.md") as path:
        page = _PAGE.format(rows=rows, worn=worn, unworn=unworn, notes="\n".join(notes), **record)
        path.write_text(page, encoding="utf-8")
    logger.info("%s", page)


def synthetic() -> dict[str, float]:
    """Gaussian rows of width 256: false alarms, power for one sigma along one direction, seconds of a report."""
    random = np.random.default_rng(0)

    def rows(n: int) -> Embeddings:
        return random.standard_normal((n, 256)).astype(np.float32)

    monitor = DriftMonitor(rows(20_000))
    false = [monitor.judge(rows(5_000)).drifted for _ in range(N_FALSE)]
    power = []
    for _ in range(N_POWER):
        direction = rows(1)
        power.append(monitor.judge(rows(5_000) + direction / np.linalg.norm(direction)).drifted)
    figures = {"synthetic.false_alarms": float(np.mean(false)), "synthetic.power.one_sigma": float(np.mean(power))}
    logger.info("%s", figures)
    reference, window = rows(50_000), rows(50_000)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("with_calibration", "calibrated"):  # the second time it is read back
            started, worked = time.perf_counter(), time.process_time()
            monitor = DriftMonitor(reference, calibration_folder=folder)
            write_drift_report(Path(folder) / "drift.html", monitor.compare(window))
            figures[f"report_50k_256.{name}.seconds"] = time.perf_counter() - started
            figures[f"report_50k_256.{name}.cpu_seconds"] = time.process_time() - worked
    return figures


def glyphs() -> tuple[dict[str, float], list[str]]:
    """Windows of classes that the reference does not hold, as they are and worn; the model's view included."""
    folder = ROOT / "artifacts"
    embeddings = np.load(folder / "embeddings" / "test" / "embeddings.npy")
    items = pd.read_parquet(folder / "embeddings" / "test" / "items.parquet")
    labels, notes = check_labels(items["label"], len(items)), []
    model = HiLander.load(folder / "lander" / "hilander").model
    worn = {name: _encode_worn(items["id"], wear) for name, wear in WEAR.items()}
    figures = _harm(model, labels, {"as_it_is": embeddings, **worn})
    foreign = _encode_omniglot()
    if foreign is None:
        notes.append("Omniglot was left out: HILANDER_BENCH_DATA does not name a folder with omniglot.parquet.")
    drifted: dict[str, list[bool]] = {}
    for split in range(N_SPLITS):
        random = np.random.default_rng(split)
        order = random.permutation(labels.max() + 1)
        in_reference = np.isin(labels, order[: int(REFERENCE_SHARE * len(order))])
        monitor = DriftMonitor(embeddings[in_reference], labels[in_reference], model=model)
        others = np.unique(labels[~in_reference])
        for number in range(N_FALSE // N_SPLITS):
            rows = np.flatnonzero(np.isin(labels, random.permutation(others)[: int(WINDOW_SHARE * len(others))]))
            windows = {"same": embeddings[rows]}
            if number < N_POWER // N_SPLITS:
                windows |= {name: found[rows] for name, found in worn.items()}
                if foreign is not None:
                    windows["omniglot_10_percent"] = _mix(embeddings[rows], foreign, random)
                outside = np.flatnonzero(~in_reference)
                thin = {n: random.permutation(outside)[:n] for n in THIN}
                windows |= {f"thin_{n}": embeddings[some] for n, some in thin.items()}
                windows |= {f"thin_{n}_rotated_30": worn["rotated_30"][some] for n, some in thin.items()}
            for name, window in windows.items():
                drifted.setdefault(name, []).append(monitor.judge(window).drifted)
        logger.info("split %d: %s", split, {name: round(float(np.mean(found)), 3) for name, found in drifted.items()})
    shares = {name: float(np.mean(found)) for name, found in drifted.items()}
    figures["glyphs.false_alarms"] = shares.pop("same")
    figures |= {f"glyphs.false_alarms.thin_{n}": shares.pop(f"thin_{n}") for n in THIN}
    return figures | {f"glyphs.power.{name}": share for name, share in shares.items()}, notes


def _harm(model: ClusteringModel | None, labels: NDArray[np.int64], worn: dict[str, Embeddings]) -> dict[str, float]:
    """How far wear moves the embeddings, and how well the model clusters all of them then."""
    figures = {}
    for name, embeddings in worn.items():
        cosine = np.sum(embeddings * worn["as_it_is"], axis=1).mean()
        figures[f"glyphs.wear.{name}.cosine_to_itself"] = float(cosine)
        found = HiLander(model).fit_predict(embeddings)
        figures[f"glyphs.wear.{name}.f_pairwise"] = score(labels, found)["f_pairwise"]
    logger.info("%s", figures)
    return figures


def _encode_worn(ids: pd.Series, wear: Callable[[Image.Image], Image.Image]) -> Embeddings:
    test = read_dataset(ROOT / "data").split("test")
    assert test.images is not None
    place = {item: row for row, item in enumerate(test.ids)}
    images = [wear(test.images[place[item]].convert("L")) for item in ids]
    return load_encoder(ROOT / "artifacts" / "encoder").encode(images)


def _encode_omniglot() -> Embeddings | None:
    path = Path(os.environ.get("HILANDER_BENCH_DATA", "")) / "omniglot.parquet"
    if not path.is_file():
        return None
    images = read_dataset(path).split("evaluation").images
    assert images is not None
    rows = np.random.default_rng(0).permutation(len(images))[:1_000]
    return load_encoder(ROOT / "artifacts" / "encoder").encode([images[int(row)] for row in rows])


def _mix(window: Embeddings, foreign: Embeddings, random: np.random.Generator) -> Embeddings:
    """Replace one row in ten."""
    mixed, n = window.copy(), len(window) // 10
    mixed[random.permutation(len(window))[:n]] = foreign[random.permutation(len(foreign))[:n]]
    return mixed


def _paper(image: Image.Image) -> int:
    return int(np.median(np.asarray(image)))


_PAGE = """\
# Drift: false alarms and power

Shares of windows that raise the alarm. `synthetic`: a reference of 20,000 Gaussian rows of width 256 without labels,
windows of 5,000. `glyphs`: embeddings of the test split; three fifths of its classes are the reference, windows hold
three fifths of the other classes and nothing else, some 1,700 rows, of which samples of about 1,000 are compared; five
such splits, with the model's own view. 200 windows that did not drift, 40 of each that did. `omniglot_10_percent`: one
row in ten is an image of Omniglot. `thin_100`: so many rows drawn at random from all classes outside the reference,
hardly two of a class; 40 windows as they are, which did not drift, and 40 that are turned. Report: both HTML files for
a window of 50,000 beside a reference of 50,000, with the calibration and with one read back.

| figure | value |
|---|---|
{rows}

Worn windows: **all** of their images are turned by 15, 30 or 90 degrees, or blurred by a Gaussian of 1, 1.5 or 2 of
their 32 pixels, and encoded again. Beside the power stands what the wear does: the mean cosine between an image's
embedding and that of its worn self, and the pairwise F of the clusters that the model makes of the whole worn test
split ({unworn:.3f} of the unworn one). What the encoder was trained to overlook moves little, and is hard to see.

| wear | cosine to itself | pairwise F | power |
|---|---|---|---|
{worn}

{notes}

Measured on {date} at commit {commit} on {machine}, by `make bench-drift`.
"""

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("hilander").setLevel(logging.WARNING)
    main()
