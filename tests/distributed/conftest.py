"""Embeddings of classes, and an array brought into a store in parts."""

import numpy as np
import pytest

from hilander.distributed.engine import Run, ThisProcess
from hilander.distributed.parts import Parts
from hilander.distributed.store import Store


def draw_classes(n, d=24, seed=0, spread=0.5):
    """Unit vectors of about n / 12 classes in random order."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(n // 12, d))
    embeddings = middles[rng.integers(len(middles), size=n)] + spread * rng.normal(size=(n, d))
    return (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "store").mkdir()
    return Run(Store(str(tmp_path / "store")), ThisProcess())


@pytest.fixture
def in_parts(run):
    def put(name, array, rows_per_part=150):
        parts = Parts.even(run.store, name, len(array), rows_per_part)
        for part in range(len(parts)):
            parts.write(part, array[parts.bounds[part] : parts.bounds[part + 1]])
        return parts

    return put
