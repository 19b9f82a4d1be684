"""Embeddings as NumPy files: one ``.npy`` with labels beside it, or one ``.npz`` with everything inside."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.atomic_write import atomic_file
from hilander.data.concatenate import concatenate
from hilander.data.dataset import Dataset, row_ids
from hilander.data.errors import DataError, some


def read_npy(path: str | Path) -> Dataset:
    """Read embeddings (n, d) from ``<name>.npy``, memory-mapped where they are float32.

    Labels come from ``<name>_labels.npy`` or, failing that, ``labels.npy`` in the same folder; neither need exist.
    Ids are row numbers.
    """
    path = Path(path)
    embeddings, labels = _load(path, mmap_mode="r"), labels_beside(path)
    return _dataset(path, embeddings, None if labels is None else _load(labels))


def labels_beside(path: Path) -> Path | None:
    """Return the file that holds the labels of a ``.npy``, if there is one."""
    beside = (path.with_name(f"{path.stem}_labels.npy"), path.with_name("labels.npy"))
    return next((file for file in beside if file.is_file()), None)


def read_npz(path: str | Path) -> Dataset:
    """Read ``.npz``: `embeddings` (or `features`), and `labels`, `splits`, `ids` where known.

    A file without `embeddings` may hold one pair of arrays per split instead: `train`, `train_labels`, `test`, ….
    """
    path = Path(path)
    archive = _load(path)
    try:
        arrays = {name: archive[name] for name in archive.files}
    except ValueError as error:
        raise DataError(_OBJECTS.format(path=path)) from error
    finally:
        archive.close()
    name = next((name for name in ("embeddings", "features") if name in arrays), None)
    if name:
        return _dataset(path, arrays[name], arrays.get("labels"), arrays.get("splits"), arrays.get("ids"))
    parts = {key: value for key, value in arrays.items() if f"{key}_labels" in arrays}
    if not parts:
        raise DataError(
            f"{path}: expected an array `embeddings` (and `labels`), or pairs such as `train`, `train_labels`; "
            f"got {some(arrays, shown=20)}"
        )
    return concatenate({key: _dataset(path, value, arrays[f"{key}_labels"]) for key, value in parts.items()})


def write_npz(dataset: Dataset, path: str | Path) -> None:
    """Write embeddings, labels, splits and ids as one ``.npz`` that `read_npz` takes, atomically.

    Raises
    ------
    DataError
        `dataset` holds images.
    """
    if dataset.embeddings is None:
        raise DataError(f"{path}: .npz holds embeddings, but these data are images; write .parquet instead")
    optional = {"labels": dataset.labels, "splits": dataset.splits}
    known: dict[str, Any] = {name: array for name, array in optional.items() if array is not None}
    with atomic_file(path) as temporary:
        np.savez(temporary, embeddings=dataset.embeddings, ids=dataset.ids, **known)


_OBJECTS = (
    "{path} holds Python objects, which only unpickling could read; save plain numbers: numpy.save(path, "
    "embeddings.astype('float32'))"
)


def _load(path: Path, mmap_mode: Any = None) -> Any:
    try:
        return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as a NumPy file: {error}") from error
    except ValueError as error:  # an array of objects, a file cut short, or another kind of file
        with path.open("rb") as file:
            is_numpy = file.read(2) in (b"\x93N", b"PK")
        if not is_numpy:
            raise DataError(
                f"{path} is no NumPy file; write it with numpy.save, or name it after what it is"
            ) from error
        objects = "object" in str(error).lower() or "pickle" in str(error).lower()
        raise DataError(_OBJECTS.format(path=path) if objects else f"{path} is damaged: {error}") from error


def _dataset(
    path: Path,
    embeddings: NDArray,
    labels: NDArray | None,
    splits: NDArray | None = None,
    ids: NDArray | None = None,
) -> Dataset:
    if embeddings.ndim == 0:
        raise DataError(f"{path}: expected embeddings of shape (n, d), got a single number")
    try:
        return Dataset(row_ids(len(embeddings)) if ids is None else ids, labels, splits, embeddings=embeddings)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
