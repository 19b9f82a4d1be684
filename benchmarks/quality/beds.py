"""The test beds: what is learned and tuned on which training classes, and what is clustered then."""

from __future__ import annotations

import hashlib
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.omniglot import our_embeddings, self_trained_embeddings, weak_embeddings
from benchmarks.record import ROOT, bench_data
from hilander.embeddings import check_embeddings, check_labels
from hilander.evaluation.baselines import PointSet
from hilander.training.general_sets import N_DRAWN, N_ENCODED, drawn_sets, encoded_sets, variants
from hilander.training.labelled_set import LabelledSet

_MOST_ITEMS = 5_000
_UNEVEN_SEED = 0
_UNEVEN_EXPONENT = 1.0  # P(size) ∝ 1 / size: 28 % of the classes keep one image, 4 % nineteen or twenty


@dataclass(frozen=True)
class Part:
    """Items that are clustered together."""

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]

    @cached_property
    def points(self) -> PointSet:
        """Embeddings and the kNN graph that all baselines share."""
        return PointSet.build(self.embeddings)


@dataclass(frozen=True)
class Items:
    """Labelled embeddings in the parts that are clustered one by one; usually a single one."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, embeddings: NDArray, labels: NDArray, groups: NDArray | None = None) -> Items:
        """Split by group, where groups are given."""
        embeddings, labels = check_embeddings(embeddings), check_labels(labels, len(embeddings))
        codes = np.zeros(len(labels), np.int64) if groups is None else np.unique(groups, return_inverse=True)[1]
        rows = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
        return cls(tuple(Part(embeddings[part], labels[part]) for part in rows))

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Of all parts, one after the other."""
        return np.concatenate([part.labels for part in self.parts])

    @cached_property
    def digest(self) -> str:
        """Equal for equal items: what was measured on others does not count."""
        sha = hashlib.sha256()
        for part in self.parts:
            sha.update(part.embeddings.tobytes() + part.labels.tobytes() + b"|")
        return sha.hexdigest()[:12]


@dataclass(frozen=True)
class Bed:
    """One comparison.

    Attributes
    ----------
    name, title : str
    learned_on, tuned_on, tested_on : str
        Keys of `SETS`. Networks are trained on the first; every threshold, of ours as of the baselines, is chosen on
        the second; the third is of other classes.
    training : mapping
        Settings of `RelationalParams` that ours is trained with, where not by default.
    """

    name: str
    title: str
    learned_on: str
    tuned_on: str
    tested_on: str
    training: Mapping[str, int] = field(default_factory=dict)

    @property
    def adapts(self) -> bool:
        """Whether our model suits its threshold to what it clusters: where that is of another domain."""
        return self.name.startswith("transfer_")


@cache
def items(name: str) -> Items:
    """Load a set of `SETS` once."""
    return SETS[name]()


def _uneven_rows(labels: NDArray) -> NDArray[np.int64]:
    """Keep 1–20 images of each class, P(size) ∝ 1 / size."""
    rng = np.random.default_rng(_UNEVEN_SEED)
    kept = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        sizes = np.arange(1, len(rows) + 1)
        share = sizes**-_UNEVEN_EXPONENT
        kept.append(rng.choice(rows, rng.choice(sizes, p=share / share.sum()), replace=False))
    return np.sort(np.concatenate(kept))


def _omniglot(side: str, protocol: str = "all") -> Items:
    background, background_labels, evaluation, evaluation_labels = our_embeddings()
    embeddings, labels = (
        (background, background_labels) if side == "background" else (evaluation, evaluation_labels)
    )  # fmt: skip
    if protocol == "uneven":
        rows = _uneven_rows(labels)
        return Items.of(embeddings[rows], labels[rows])
    alphabets = np.array([label.split("/")[0] for label in labels]) if protocol == "alphabets" else None
    return Items.of(embeddings, labels, alphabets)


def _omniglot_self_trained(side: str) -> Items:
    bed = self_trained_embeddings()
    return Items.of(*(bed[:2] if side == "background" else bed[2:]))


def _omniglot_weak(side: str) -> Items:
    bed = weak_embeddings()
    return Items.of(*(bed[:2] if side == "background" else bed[2:]))


def _glyphs(split: str) -> Items:
    folder = ROOT / "artifacts" / "embeddings" / split
    if not (folder / "embeddings.npy").exists():
        raise SystemExit(f"{folder} is missing: run `dvc repro` first, which encodes the built-in glyphs")
    labels = pd.read_parquet(folder / "items.parquet", columns=["label"])["label"].to_numpy()
    return Items.of(np.load(folder / "embeddings.npy"), labels)


def _synthetic(n: int, seed: int) -> Items:
    return Items.of(*runpy.run_path(str(bench_data("synthetic.py")))["make"](n, seed))


def _general() -> Items:
    """A third of what the general model in the package has learned from; the largest sets are left out."""
    (glyphs,) = items("glyphs train").parts
    drawn = encoded_sets(N_ENCODED // 3) + drawn_sets(N_DRAWN // 3)
    sets = [*drawn, *variants(LabelledSet(glyphs.embeddings, glyphs.labels), 8)]
    parts = [Part(each.embeddings, each.labels) for each in sets if len(each.labels) <= _MOST_ITEMS]
    return Items(tuple(parts))


SETS: dict[str, Callable[[], Items]] = {
    "omniglot background": lambda: _omniglot("background"),
    "omniglot background alphabets": lambda: _omniglot("background", "alphabets"),
    "omniglot background uneven": lambda: _omniglot("background", "uneven"),
    "omniglot evaluation": lambda: _omniglot("evaluation"),
    "omniglot evaluation alphabets": lambda: _omniglot("evaluation", "alphabets"),
    "omniglot evaluation uneven": lambda: _omniglot("evaluation", "uneven"),
    "self-trained omniglot background": lambda: _omniglot_self_trained("background"),
    "self-trained omniglot evaluation": lambda: _omniglot_self_trained("evaluation"),
    "weak omniglot background": lambda: _omniglot_weak("background"),
    "weak omniglot evaluation": lambda: _omniglot_weak("evaluation"),
    "general": lambda: _general(),
    "glyphs train": lambda: _glyphs("train"),
    "glyphs test": lambda: _glyphs("test"),
    "synthetic train": lambda: _synthetic(20_000, 1),
    "synthetic 20k": lambda: _synthetic(20_000, 2),
    "synthetic 100k": lambda: _synthetic(100_000, 4),
}

_DOMAINS = {  # name in keys → what is learned from, what is clustered
    "general": ("general", ""),
    "glyphs": ("glyphs train", "glyphs test"),
    "synthetic": ("synthetic train", "synthetic 20k"),
    "omniglot_weak": ("weak omniglot background", "weak omniglot evaluation"),
    "omniglot": ("omniglot background", "omniglot evaluation"),
}
_WITH_DRAWN = {"n_drawn": 42, "n_item_steps": 1200, "n_cluster_steps": 480}
_TRANSFERS = (
    ("glyphs", "omniglot_weak"),
    ("glyphs", "synthetic"),
    ("synthetic", "glyphs"),
    ("synthetic", "omniglot_weak"),
    ("omniglot_weak", "glyphs"),
    ("glyphs", "omniglot"),
    ("synthetic", "omniglot"),
    ("omniglot", "glyphs"),
    ("general", "glyphs"),
    ("general", "synthetic"),
    ("general", "omniglot_weak"),
    ("general", "omniglot"),
)


def _bed(name: str, title: str, train: str, test: str, tuned_on: str | None = None, **training: int) -> Bed:
    return Bed(name, title, train, tuned_on or train, test, training)


BEDS: dict[str, Bed] = {
    bed.name: bed
    for bed in (
        _bed("omniglot_all_weak", "Omniglot, 659 unseen characters at once, the given weak embeddings",
             "weak omniglot background", "weak omniglot evaluation"),
        _bed("omniglot_all", "Omniglot, 659 unseen characters at once, embeddings of our encoder",
             "omniglot background", "omniglot evaluation"),
        _bed("omniglot_self_trained", "Omniglot, 659 characters at once, our encoder self-trained on their clusters",
             "self-trained omniglot background", "self-trained omniglot evaluation"),
        _bed("omniglot_alphabets", "Omniglot, each of the 20 unseen alphabets alone, means over alphabets",
             "omniglot background", "omniglot evaluation alphabets", "omniglot background alphabets"),
        _bed("omniglot_uneven", "Omniglot, 659 unseen characters of 1–20 images each",
             "omniglot background", "omniglot evaluation uneven", "omniglot background uneven", n_thinned=8),
        _bed("glyphs", "The built-in glyphs", "glyphs train", "glyphs test"),
        _bed("synthetic_20k", "Synthetic, 20,000 points", "synthetic train", "synthetic 20k"),
        _bed("synthetic_100k", "Synthetic, 100,000 points, learned on 20,000", "synthetic train", "synthetic 100k"),
        *(
            _bed(f"transfer_{source}_{target}", f"Learned and tuned on {_DOMAINS[source][0]}, tested on "
                 f"{_DOMAINS[target][1]}", _DOMAINS[source][0], _DOMAINS[target][1], **_WITH_DRAWN)
            for source, target in _TRANSFERS
        ),
    )
}  # fmt: skip
