"""Write a dataset in the two forms that keep everything: Parquet, and ``.npz`` for embeddings."""

from __future__ import annotations

from pathlib import Path

from hilander.data.arrays import write_npz
from hilander.data.dataset import Dataset
from hilander.data.errors import DataError
from hilander.data.parquet import write_parquet
from hilander.data.read import read_dataset

_WRITERS = {".parquet": write_parquet, ".npz": write_npz}


def write_dataset(dataset: Dataset, path: str | Path) -> None:
    """Write `dataset` to `path`, atomically: ``.parquet``, or ``.npz`` for embeddings.

    Raises
    ------
    DataError
        Another suffix, or images to ``.npz``.
    """
    _WRITERS[check_dataset_suffix(path)](dataset, path)


def check_dataset_suffix(path: str | Path) -> str:
    """Return the suffix of `path`, in small letters, if it is one that a dataset is written with.

    Raises
    ------
    DataError
        Another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise DataError(f"cannot write {path}; expected the suffix {' or '.join(_WRITERS)}")
    return suffix


def import_dataset(source: str | Path, target: str | Path, format: str = "auto") -> Dataset:
    """Bring data of any readable format into the pipeline: read `source`, write `target`, and return what was read.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/mine.npy", np.eye(3, dtype="float32"))
    ...     import_dataset(f"{folder}/mine.npy", f"{folder}/data/mine.parquet")
    ...     read_dataset(f"{folder}/data")
    Dataset(n=3, embeddings=(3, 3))
    Dataset(n=3, embeddings=(3, 3))
    """
    dataset = read_dataset(source, format)
    write_dataset(dataset, target)
    return dataset
