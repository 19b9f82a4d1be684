"""What a store is used for, so that no other run carries on from it."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

import numpy as np

from hilander.distributed.store import Store
from hilander.models.clustering_model import ClusteringSettings
from hilander.models.relational import RelationalModel

_NAME = "run/settings"
_MOST_SHOWN = 16  # characters of a setting


def claim(
    store: Store,
    digest: str,
    model: RelationalModel,
    settings: ClusteringSettings,
    random_state: int,
    rows_per_part: int,
) -> Store:
    """Note what a store is used for.

    Parameters
    ----------
    store : Store
    digest : str
        Of the input.
    model : RelationalModel
    settings : ClusteringSettings
    random_state : int
    rows_per_part : int

    Returns
    -------
    Store
        A folder of it for this run's parts alone. When a run is killed, workers end the parts that they are at: where
        the store is deleted meanwhile, and another run begins there, these are none of its parts.

    Raises
    ------
    ValueError
        It is used for another run, or what it is used for cannot be read.
    """
    sha = hashlib.sha256()
    for name, weights in sorted(model.landers.state_dict().items()):
        sha.update(name.encode() + weights.cpu().numpy().tobytes())
    told = {
        "hilander": version("hilander"),
        "input": digest,
        "model": sha.hexdigest()[:16],
        "n_neighbors": settings.n_neighbors,
        "random_state": int(random_state),  # NumPy's numbers are none to JSON
        "rows_per_part": rows_per_part,
        "whitening": settings.whitening,
    }
    text = json.dumps(told)
    if _NAME in store.names("run"):
        before = _read(store)
        differing = [key for key in told if before.get(key) != told[key]]
        if differing:
            raise ValueError(
                f"{store.url} holds another run, perhaps of an input that was refused, which differs in "
                f"{', '.join(differing)}: expected {', '.join(_shown(before.get(key)) for key in differing)}, got "
                f"{', '.join(_shown(told[key]) for key in differing)}. Give another run_folder, or delete this one"
            )
    else:
        store.write(_NAME, np.frombuffer(text.encode(), np.uint8))
    return store.below(f"parts-{hashlib.sha256(text.encode()).hexdigest()[:16]}")


def _read(store: Store) -> dict[str, Any]:
    try:
        before = json.loads(bytes(store.read(_NAME)))
        if not isinstance(before, dict):
            raise ValueError(f"expected a mapping, got {type(before).__name__}")
    except ValueError as error:
        raise ValueError(
            f"what the run folder {store.url} is used for cannot be read ({error}); delete that folder, and start anew"
        ) from error
    return before


def _shown(value: object) -> str:
    """A setting in a message: of a digest the beginning."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
