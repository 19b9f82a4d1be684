"""What the parameters of `HiLander` say: which model clusters, by which settings; a wrong one is refused here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from hilander.allowed_values import check_random_state
from hilander.hierarchy.decoders import get_decoder
from hilander.linkage_threshold import ADAPTED, multiply_odds
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings
from hilander.models.general_model import general_model

OUTLIERS = ("keep", "label")

_SETTINGS = ("linkage_threshold", "whitening", "n_neighbors", "max_levels", "decode")  # the model's own where None


def model_and_settings(parameters: Mapping[str, Any]) -> tuple[ClusteringModel, ClusteringSettings]:
    """Return the model, the general one by default, and its settings with what is given in their place.

    Parameters
    ----------
    parameters : mapping
        All of the estimator's, as its `get_params` returns them.

    Returns
    -------
    model : ClusteringModel
        As it was saved.
    settings : ClusteringSettings
        To cluster by.

    Raises
    ------
    ValueError
        The model is no `ClusteringModel`, or a parameter is out of its range.
    """
    model = general_model() if parameters["model"] is None else parameters["model"]
    if not isinstance(model, ClusteringModel):
        raise ValueError(
            f"model must come from train_lander or HiLander.load, got {type(model).__name__}; "
            "a folder is read with HiLander.load(folder)"
        )
    given = {name: parameters[name] for name in _SETTINGS if parameters[name] is not None}
    if "linkage_threshold" in given:
        threshold = given["linkage_threshold"]
        given["adapt_threshold"] = adapts = isinstance(threshold, str) and threshold == ADAPTED
        if adapts:
            del given["linkage_threshold"]
    settings = replace(model.settings, **given)
    _check_settings(settings)
    # NumPy's numbers compute in a precision of their own, and are none to JSON, which a model is saved in.
    settings = replace(
        settings,
        linkage_threshold=float(settings.linkage_threshold),
        whitening=float(settings.whitening),
        n_neighbors=int(settings.n_neighbors),
        max_levels=int(settings.max_levels),
    )
    largest = parameters["max_cluster_size"]
    if largest is not None and not (_is_whole(largest) and int(largest) >= 1):
        raise ValueError(f"max_cluster_size must be a whole number of rows from 1, got {largest!r}")
    folder = parameters["run_folder"]
    if folder is not None and not (isinstance(folder, str | Path) and str(folder)):
        raise ValueError(f"run_folder must be a path or a URL, got {folder!r}")
    check_random_state(parameters["random_state"])
    if not isinstance(parameters["outliers"], str) or parameters["outliers"] not in OUTLIERS:
        raise ValueError(f"outliers must be one of {', '.join(OUTLIERS)}; got {parameters['outliers']!r}")
    multiply_odds(settings.linkage_threshold, parameters["granularity"])  # refused before any work is done
    return model, settings


def _check_settings(settings: ClusteringSettings) -> None:
    get_decoder(settings.decode)
    if not (_is_number(settings.linkage_threshold) and 0 <= settings.linkage_threshold <= 1):
        raise ValueError(
            f"linkage_threshold must lie within [0, 1] or be {ADAPTED!r}, got {settings.linkage_threshold!r}"
        )
    if not (_is_number(settings.whitening) and 0 <= settings.whitening <= 1):
        raise ValueError(f"whitening, the shrinkage, must lie within [0, 1], got {settings.whitening!r}")
    for name in ("n_neighbors", "max_levels"):
        value = getattr(settings, name)
        if not _is_whole(value) or value < 1:
            raise ValueError(f"{name} must be a whole number from 1, got {value!r}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
