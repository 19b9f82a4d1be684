"""What a store is used for, so that no other run carries on from it."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version

import numpy as np

from hilander.distributed.engine import Run
from hilander.models.clustering_model import ClusteringSettings
from hilander.models.relational import RelationalModel

_MOST_SHOWN = 16  # characters of a setting


def claim(
    run: Run,
    digest: str,
    model: RelationalModel,
    settings: ClusteringSettings,
    random_state: int,
    rows_per_part: int,
) -> None:
    """Note what the store is used for.

    Parameters
    ----------
    run : Run
    digest : str
        Of the input.
    model : RelationalModel
    settings : ClusteringSettings
    random_state : int
    rows_per_part : int

    Raises
    ------
    ValueError
        It is used for another run.
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
    name = "run/settings"
    if name in run.store.names("run"):
        before = json.loads(bytes(run.store.read(name)))
        differing = [key for key in told if before.get(key) != told[key]]
        if differing:
            raise ValueError(
                f"{run.store.url} holds another run, perhaps of an input that was refused, which differs in "
                f"{', '.join(differing)}: expected {', '.join(_shown(before.get(key)) for key in differing)}, got "
                f"{', '.join(_shown(told[key]) for key in differing)}. Give another run_folder, or delete this one"
            )
        return
    run.store.write(name, np.frombuffer(json.dumps(told).encode(), np.uint8))


def _shown(value: object) -> str:
    """A setting in a message: of a digest the beginning."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
