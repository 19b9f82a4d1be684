"""Figures of every method on one bed; whatever is finished is kept, so an interrupted run carries on."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.beds import Bed, Items, items
from benchmarks.record import ROOT
from hilander import HiLander, train_lander
from hilander.atomic_write import atomic_file
from hilander.config import LanderParams, PublishedParams, RelationalParams
from hilander.evaluation import BASELINES
from hilander.evaluation.baselines import ceiling, tune
from hilander.evaluation.diagnostics import precision_coverage, reliability
from hilander.linkage_threshold import ADAPTED
from hilander.metrics import score
from hilander.models.clustering_model import ClusteringModel
from hilander.models.general_model import FOLDER as GENERAL_MODEL_FOLDER
from hilander.models.general_model import general_model
from hilander.models.persistence import load_model
from hilander.training.general import WHITENING
from hilander.training.threshold import choose_threshold

logger = logging.getLogger(__name__)

WORK = ROOT / "benchmarks" / ".work" / "quality"
METRICS = ("f_pairwise", "f_bcubed", "nmi", "ari", "acc", "clusters")
SEEDS = {"hilander": (0, 1, 2), "published": (0,)}
PARAMS: dict[str, RelationalParams | PublishedParams] = {
    "hilander": LanderParams().hilander,
    "published": PublishedParams(epochs=40, batch_size=20_000),  # whole graphs: as many looks at each edge, fewer steps
}

Figures = dict[str, float]
Key = tuple[str, str, int]  # bed, method, seed


@dataclass(frozen=True)
class _Outcome:
    """What a method made of one part."""

    labels: NDArray[np.int64]
    seconds: float
    probabilities: NDArray[np.float32] | None = None


def measure(bed: Bed) -> dict[str, Figures]:
    """All methods on one bed, one after the other."""
    return rows_of(bed, measured_parts([bed], (*SEEDS, "ceiling", *BASELINES), None))


def seeds_of(bed: Bed, variant: str) -> tuple[int, ...]:
    """Those that are trained: one of the general model that ships, and of models that also learn from drawn sets."""
    return SEEDS[variant][:1] if bed.adapts else SEEDS[variant]


def rows_of(bed: Bed, found: Mapping[Key, Figures]) -> dict[str, Figures]:
    """Put the rows of a bed together: ours as mean and standard deviation over seeds, baselines, the ceiling."""
    rows = {}
    for method in (*SEEDS, *BASELINES, "ceiling"):
        runs = [found[bed.name, method, seed] for seed in _seeds(bed, method) if (bed.name, method, seed) in found]
        if runs:
            rows[method] = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
        if len(runs) > 1:
            rows[method] |= {f"{name}_std": float(np.std([run[name] for run in runs], ddof=1)) for name in runs[0]}
    return rows


def measured_parts(beds: Iterable[Bed], methods: Iterable[str], seed: int | None) -> dict[Key, Figures]:
    """Figures of some methods on some beds, of all seeds or a single one.

    A published model takes embeddings of one width alone: where the tested ones are of another, it has no figures.
    """
    found = {}
    for bed in beds:
        for method in methods:
            for one in _seeds(bed, method) if seed is None else (seed,):
                if method == "published" and not _of_one_width(bed):
                    continue
                figures = found[bed.name, method, one] = _part(bed, method, one)
                logger.info("%s %s: F_P %.3f, F_B %.3f", bed.name, f"{method} {one}" if method in SEEDS else method,
                            figures["f_pairwise"], figures["f_bcubed"])  # fmt: skip
    return found


def _seeds(bed: Bed, method: str) -> tuple[int, ...]:
    return seeds_of(bed, method) if method in SEEDS else (0,)


def _of_one_width(bed: Bed) -> bool:
    parts = (*items(bed.learned_on).parts, *items(bed.tested_on).parts)
    return len({part.embeddings.shape[1] for part in parts}) == 1


def _part(bed: Bed, method: str, seed: int) -> Figures:
    """What an earlier run has found, or find it."""
    tested = items(bed.tested_on)
    if method == "ceiling":
        return _kept(f"figures/{_key(bed.tested_on, method, (), tested)}", lambda: _ceiling(tested))
    tuned = items(bed.tuned_on)
    if method in SEEDS:
        key = _key(bed.name, method, _choices(bed, method), items(bed.learned_on), tuned, tested)
        return _kept(f"figures/{key}.{seed}", lambda: _learned(bed, method, seed))
    return _kept(
        f"figures/{_key(bed.name, method, BASELINES[method].grid, tuned, tested)}", lambda: _baseline(bed, method)
    )


def _learned(bed: Bed, variant: str, seed: int) -> Figures:
    model, train_seconds = trained(bed, variant, seed)
    threshold = _threshold(model, bed, variant, seed)

    def outcomes() -> Iterator[_Outcome]:
        for part in items(bed.tested_on).parts:
            clusterer = HiLander(model, linkage_threshold=threshold, whitening=_whitening(bed, variant))
            started = time.perf_counter()
            clusterer.fit(part.embeddings)
            yield _Outcome(clusterer.labels_, time.perf_counter() - started, clusterer.probabilities_)

    return _figures(items(bed.tested_on), list(outcomes())) | {"train_seconds": train_seconds}


def _choices(bed: Bed, variant: str) -> Any:
    """What else the figures of ours depend on, beside the items."""
    if variant != "hilander" or not bed.adapts:
        return params_of(bed, variant)
    weights = GENERAL_MODEL_FOLDER / "model.safetensors" if bed.learned_on == "general" else None
    weights_sha = weights and hashlib.sha256(weights.read_bytes()).hexdigest()
    return params_of(bed, variant), ADAPTED, _whitening(bed, variant), weights_sha


def _whitening(bed: Bed, variant: str) -> float:
    """That of the general model for all that cluster another domain than they have learned from."""
    return WHITENING if bed.adapts and variant == "hilander" else 0.0


def params_of(bed: Bed, variant: str) -> RelationalParams | PublishedParams:
    """Parameters of a variant that is trained for this bed."""
    params = PARAMS[variant]
    return replace(params, **bed.training) if isinstance(params, RelationalParams) else params


def trained(bed: Bed, variant: str, seed: int) -> tuple[ClusteringModel, float]:
    """Train once for all beds that learn from the same items; the general model is the one that ships."""
    if bed.learned_on == "general":
        return general_model(), 0.0
    learned, params = items(bed.learned_on), params_of(bed, variant)
    folder = WORK / "models" / f"{_key(bed.learned_on, variant, params, learned)}.{seed}"
    if not (folder / "config.json").exists():
        (part,) = learned.parts
        started = time.perf_counter()
        model = train_lander(part.embeddings, part.labels, variant=variant, params=params, random_state=seed)
        model.provenance["seconds"] = time.perf_counter() - started
        model.save(folder)
    model = load_model(folder)
    return model, model.provenance["seconds"]


def _threshold(model: ClusteringModel, bed: Bed, variant: str, seed: int) -> float | Literal["adapted"]:
    """The one that training chose; chosen anew where the bed clusters in other parts than it learned from.

    Another domain than that of training is what adapted thresholds are for.
    """
    if bed.adapts and variant == "hilander":
        return "adapted"
    if bed.tuned_on == bed.learned_on:
        return model.settings.linkage_threshold
    learned, tuned = items(bed.learned_on), items(bed.tuned_on)
    key = _key(bed.tuned_on, variant, params_of(bed, variant), learned, tuned)

    def choose() -> list[dict[str, float]]:
        tables = [choose_threshold(model, part.embeddings, part.labels).table for part in tuned.parts]
        return _mean_table(tables, "threshold")

    return max(_kept(f"tuning/{key}.{seed}", choose), key=_merit)["threshold"]


def _baseline(bed: Bed, name: str) -> Figures:
    baseline, tested = BASELINES[name], items(bed.tested_on)
    setting: dict[str, Any] = {}
    if baseline.grid:
        tuned = items(bed.tuned_on)

        def choose() -> list[dict[str, float]]:
            tables = [tune(baseline, part.points, part.labels)[1] for part in tuned.parts]
            return _mean_table(tables, *baseline.grid[0])

        table = _kept(f"tuning/{_key(bed.tuned_on, name, baseline.grid, tuned)}", choose)
        setting = {key: value for key, value in max(table, key=_merit).items() if key in baseline.grid[0]}
    outcomes = []
    for part in tested.parts:
        points = part.points  # searched before the clock starts
        own = setting or {"n_clusters": len(np.unique(part.labels))}
        started = time.perf_counter()
        outcomes.append(_Outcome(baseline.fit_predict(points, own), time.perf_counter() - started))
    return _figures(tested, outcomes)


def _ceiling(tested: Items) -> Figures:
    results = [ceiling(part.embeddings, part.labels) for part in tested.parts]
    return _figures(tested, [_Outcome(result.labels, result.seconds) for result in results])


def _figures(tested: Items, outcomes: Sequence[_Outcome]) -> Figures:
    """Means over the parts, but seconds add up, and the calibration error is that of all items."""
    scores = [score(part.labels, outcome.labels) for part, outcome in zip(tested.parts, outcomes, strict=True)]
    figures = {name: float(np.mean([row[name] for row in scores])) for name in METRICS}
    figures["seconds"] = sum(outcome.seconds for outcome in outcomes)
    if all(outcome.probabilities is not None for outcome in outcomes):
        starts = np.cumsum([0] + [outcome.labels.max() + 1 for outcome in outcomes])
        labels = np.concatenate([start + outcome.labels for start, outcome in zip(starts, outcomes, strict=False)])
        probabilities = np.concatenate([outcome.probabilities for outcome in outcomes])
        figures["ece"] = reliability(tested.labels, labels, probabilities)[1]
        precision = precision_coverage(tested.labels, labels, probabilities)["precision"].to_numpy()
        figures |= {
            "precision_of_surest_half": float(precision[len(precision) // 2 - 1]),
            "precision_of_all": float(precision[-1]),
            "largest_rise_of_precision": float(max(np.diff(precision).max(initial=0), 0)),
        }
    return figures


def _mean_table(tables: Sequence[Sequence[dict]], *setting: str) -> list[dict]:
    """Mean F over the parts for every setting that was tried, in the order of the grid."""
    return [
        {name: rows[0][name] for name in setting}
        | {name: float(np.mean([row[name] for row in rows])) for name in ("f_pairwise", "f_bcubed")}
        for rows in zip(*tables, strict=True)
    ]


def _merit(row: dict[str, Any]) -> float:
    return row["f_pairwise"] + row["f_bcubed"]


def _key(bed: str, method: str, settings: object, *sets: Items) -> str:
    """Name of a kept part: other items or other settings make another one."""
    told = "|".join([repr(settings), *(each.digest for each in sets)])
    return f"{bed}.{method}-{hashlib.sha256(told.encode()).hexdigest()[:10]}".replace(" ", "_")


def _kept(name: str, compute: Callable[[], Any]) -> Any:
    """What an earlier run has computed, or compute and keep it."""
    path = WORK / f"{name}.json"
    if not path.exists():
        value = compute()
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(value), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))
