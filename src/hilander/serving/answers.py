"""What the endpoints return, as plain JSON values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilander.releases import Release

if TYPE_CHECKING:
    from hilander.assign import Assignment
    from hilander.estimator import HiLander

_DIGITS = 6


def cluster_answer(fitted: HiLander, version: str) -> dict[str, Any]:
    """Describe a fitted clustering."""
    return {
        "labels": fitted.labels_.tolist(),
        "probabilities": rounded(fitted.probabilities_),
        "counts": np.bincount(fitted.labels_[fitted.labels_ >= 0]).tolist(),
        "peaks": fitted.peaks_.tolist(),
        "levels": [
            {
                "n_nodes": level.n_nodes,
                "n_edges": level.n_edges,
                "n_clusters": level.n_clusters,
                "labels": level.labels.tolist(),
            }
            for level in fitted.levels_
        ],
        "model_version": version,
    }


def cluster_images_answer(fitted: HiLander, ids: list[str], version: str) -> dict[str, Any]:
    """Describe a fitted clustering of images, by their names."""
    peak_ids = [ids[peak] for peak in fitted.peaks_]
    return {"ids": ids, "peak_ids": peak_ids, **cluster_answer(fitted, version)}


def assign_answer(assignment: Assignment, version: str) -> dict[str, Any]:
    """Describe to which existing clusters items belong; ``"new"`` is none of them."""
    return {
        "clusters": [int(label) if label >= 0 else "new" for label in assignment.labels],
        "probabilities": rounded(assignment.probabilities),
        "model_version": version,
    }


def encode_answer(ids: list[str], embeddings: NDArray[np.float32], version: str) -> dict[str, Any]:
    """Name images and list their embeddings."""
    return {"ids": ids, "embeddings": [rounded(row) for row in embeddings], "model_version": version}


def model_answer(release: Release, failure: str | None) -> dict[str, Any]:
    """Describe the release in service, and what kept a newer one out of it."""
    card = release.folder / "lander" / "README.md"
    return {
        "version": release.version,
        "metrics": _without_nan(release.metrics),
        "provenance": _without_nan(release.provenance),
        "card": card.read_text(encoding="utf-8") if card.is_file() else "",
        "newer_release_refused": failure,
    }


def rounded(values: NDArray[np.floating]) -> list[float]:
    """Return floats of six digits, which JSON holds in a third of the room."""
    return np.round(values.astype(np.float64), _DIGITS).tolist()


def _without_nan(value: Any) -> Any:
    """Return a value with null for what JSON has no number for, such as a figure that could not be measured."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
