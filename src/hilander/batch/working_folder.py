"""What the steps hand to each other: files in a working folder, so that a step that failed can be repeated alone."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.held_folder import held_folder

INPUT, EMBEDDED, CLUSTERED, IDENTIFIED = "input", "embedded", "clustered", "identified"
EMBEDDINGS, ITEMS, FACTS = "embeddings.npy", "items.parquet", "facts.json"


def working_folder(runs: str | Path) -> contextlib.AbstractContextManager[Path]:
    """Yield a new folder below `runs`, which is deleted in the end; so are those that killed runs have left there."""
    return held_folder(runs, ".working-")


def write_facts(folder: Path, **facts: Any) -> None:
    """Write what a step found out beside its arrays."""
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def read_facts(working: str | Path, step: str) -> dict[str, Any]:
    """Return what a step found out."""
    return dict(json.loads((_done(working, step) / FACTS).read_text(encoding="utf-8")))


def read_items(working: str | Path, step: str) -> pd.DataFrame:
    """Return a step's table: ``id``, and from `cluster` on ``cluster`` and ``probability``."""
    return pd.read_parquet(_done(working, step) / ITEMS)


def read_embeddings(working: str | Path) -> NDArray[np.float32]:
    """Return the embeddings that `embed` wrote, memory-mapped."""
    return np.load(_done(working, EMBEDDED) / EMBEDDINGS, mmap_mode="r", allow_pickle=False)


def _done(working: str | Path, step: str) -> Path:
    folder = Path(working) / step
    if not folder.is_dir():
        raise FileNotFoundError(
            f"expected {folder}, found no such folder: the steps are fetch, embed, cluster, identify, write_run, in "
            "this order and with the same working folder"
        )
    return folder
