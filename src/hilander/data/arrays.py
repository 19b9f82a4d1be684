"""Embeddings as NumPy files: one ``.npy`` with labels beside it, or one ``.npz`` with everything inside."""

from __future__ import annotations

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
    embeddings, beside = _load(path, mmap_mode="r"), labels_beside(path)
    labels = None if beside is None else _load(beside)
    if labels is not None and embeddings.ndim and labels.shape != embeddings.shape[:1]:
        raise DataError(
            f"{beside} must hold the labels of {path}, shape ({len(embeddings)},), one per item; got {labels.shape}; "
            "if they are those of another file, as faces.npy, name it after that: faces_labels.npy"
        )
    return _dataset(path, embeddings, labels)


def labels_beside(path: Path) -> Path | None:
    """Return the file that holds the labels of a ``.npy``, if there is one."""
    beside = (path.with_name(f"{path.stem}_labels.npy"), path.with_name("labels.npy"))
    return next((file for file in beside if file != path and _is_file(file)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than one can be
        return False


def read_npz(path: str | Path) -> Dataset:
    """Read ``.npz``: `embeddings` (or `features`), and `labels`, `splits`, `ids` where known.

    A file without `embeddings` may hold one pair of arrays per split instead: `train`, `train_labels`, `test`, …; then
    nothing else may be in it.
    """
    path = Path(path)
    arrays = _load_archive(path)
    name = next((name for name in ("embeddings", "features") if name in arrays), None)
    if name:
        return _dataset(path, arrays[name], arrays.get("labels"), arrays.get("splits"), arrays.get("ids"))
    parts = {key: value for key, value in arrays.items() if f"{key}_labels" in arrays}
    alone = arrays.keys() - parts.keys() - {f"{key}_labels" for key in parts}
    if not parts:
        raise DataError(
            f"{path}: expected an array `embeddings` (and `labels`), or pairs such as `train`, `train_labels`; "
            f"got {some(arrays, shown=20)}"
        )
    if alone:
        raise DataError(
            f"{path}: expected pairs such as `train`, `train_labels` and nothing else, got {some(sorted(alone))} "
            "without its other half; add that, or leave the array out"
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


_ARRAY_START, _ARCHIVE_START = b"\x93NUMPY", b"PK"
_OBJECTS = (
    "{path} holds Python objects, which only unpickling could read; save plain arrays: embeddings.astype('float32'), "
    "labels.astype(str)"
)


def _load(path: Path, mmap_mode: Any = None) -> NDArray:
    _check_start(path, _ARRAY_START, "one array, as numpy.save writes it")
    try:
        return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except MemoryError:
        raise
    except Exception as error:  # a damaged header can fail in any way
        raise _unreadable(path, error) from error


def _load_archive(path: Path) -> dict[str, NDArray]:
    _check_start(path, _ARCHIVE_START, "several arrays, as numpy.savez writes them")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except MemoryError:
        raise
    except Exception as error:  # so can a damaged archive
        raise _unreadable(path, error) from error
    others = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if others:
        raise DataError(f"{path}: expected arrays alone, got {some(others)}; write it with numpy.savez")
    return arrays


def _check_start(path: Path, start: bytes, expected: str) -> None:
    """Raise where a file is of another kind than its suffix says."""
    try:
        with path.open("rb") as file:
            found = file.read(len(_ARRAY_START))
    except OSError as error:
        raise _unreadable(path, error) from error
    if found.startswith(start):
        return
    kinds = {_ARRAY_START: "a single array: rename it to .npy", _ARCHIVE_START: "an archive: rename it to .npz"}
    for first, kind in kinds.items():
        if found.startswith(first):
            raise DataError(f"{path}: expected {expected}; got {kind}")
    raise DataError(f"{path} is no NumPy file; write it with numpy.save, or name it after what it is")


def _unreadable(path: Path, error: Exception) -> DataError:
    if "pickle" in str(error) or "Python objects" in str(error):
        return DataError(_OBJECTS.format(path=path))
    return DataError(f"{path} is damaged or cannot be read: {error}; write or copy it anew")


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
