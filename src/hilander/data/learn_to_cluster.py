"""Learn-to-cluster's form: raw float32 features in ``.bin``, one label per line in ``.meta``.

The form of the face benchmarks that came with Yang et al., *Learning to Cluster Faces on an Affinity Graph*, CVPR 2019.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilander.data.dataset import Dataset, row_ids
from hilander.data.errors import DataError, some


def read_learn_to_cluster(path: str | Path) -> Dataset:
    """Read ``<name>.bin`` (memory-mapped) with ``<name>.meta`` beside it, or ``features/…`` with ``labels/…``.

    The width of the features is inferred: number of floats over number of labels.

    Raises
    ------
    DataError
        No ``.meta`` file, or one with an empty line or not in UTF-8; or the floats do not divide evenly among its
        labels.
    """
    path = Path(path)
    meta = meta_of(path)
    if meta is None:
        raise DataError(
            f"{path}: expected its labels, one per line, in {path.with_suffix('.meta').name}; found no such file"
        )
    labels = _labels(meta)
    size = path.stat().st_size
    if not size or size % (4 * len(labels)):
        raise DataError(
            f"{path} holds {size} bytes, which is no whole number of float32 for each of the {len(labels)} labels "
            f"in {meta}"
        )
    features = np.memmap(path, dtype="<f4", mode="r", shape=(len(labels), size // 4 // len(labels)))
    return Dataset(ids=row_ids(len(labels)), labels=labels, embeddings=features)


def _labels(meta: Path) -> NDArray[np.str_]:
    """One label per line; a label may hold blanks."""
    try:
        lines = meta.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{meta}: expected labels in UTF-8, got another encoding ({error}); save it as UTF-8"
        ) from error
    labels = np.array([line.strip() for line in lines])
    empty = np.flatnonzero(labels == "") + 1
    if len(empty):
        raise DataError(
            f"{meta}: expected one label per line, got none in line {some(empty)}; drop or fill these lines"
        )
    return labels


def meta_of(path: Path) -> Path | None:
    """Return the file that holds the labels of a ``.bin``, if there is one."""
    beside = (path.with_suffix(".meta"), path.parent.parent / "labels" / path.with_suffix(".meta").name)
    return next((file for file in beside if file.is_file()), None)
