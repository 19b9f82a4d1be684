"""One door for every format: look at what lies at a path and read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hilander.data.arrays import labels_beside, read_npy, read_npz
from hilander.data.concatenate import concatenate
from hilander.data.dataset import Dataset
from hilander.data.errors import DataError, some
from hilander.data.image_folder import SUFFIXES, UNREAD, read_image_folder
from hilander.data.learn_to_cluster import meta_of, read_learn_to_cluster
from hilander.data.listing import has_files, list_files, names_url
from hilander.data.official_pickle import read_official_pickle
from hilander.data.parquet import read_parquet

_READERS: dict[str, Callable[[str | Path], Dataset]] = {
    "parquet": read_parquet,
    "npy": read_npy,
    "npz": read_npz,
    "learn_to_cluster": read_learn_to_cluster,
    "official_pickle": read_official_pickle,
    "image_folder": read_image_folder,
}
_SUFFIXES = {
    ".parquet": "parquet",
    ".npy": "npy",
    ".npz": "npz",
    ".bin": "learn_to_cluster",
    ".pkl": "official_pickle",
    ".pickle": "official_pickle",
}
FORMATS = ("auto", *_READERS)


def read_dataset(path: str | Path, format: str = "auto") -> Dataset:
    """Read labelled or unlabelled images or embeddings.

    Parameters
    ----------
    path : str or Path
        A file, or a folder. In a folder of ``.npy``, ``.npz``, ``.bin`` or pickle files each file is one split, named
        by its stem (``train.npy``, ``test.npy``), unless it is the only one.
    format : str
        One of `FORMATS`; ``auto`` goes by the suffixes found. Files of other suffixes are ignored.

    Raises
    ------
    DataError
        Nothing readable at `path`, or several formats side by side, or two files for one split, or as the reader of the
        format says.
    """
    path = Path(path)
    if format not in FORMATS:
        raise DataError(f"unknown format '{format}'; known: {', '.join(FORMATS)}")
    if names_url(path):
        raise DataError(f"expected data on this machine, got the URL {path.parts[0]}//…; fetch it first")
    if not path.exists():
        raise DataError(
            f"expected data in {path}, found no such file or folder; see docs/data.md, or run `dvc pull data`"
        )
    if path.is_file():
        return _READERS[_format_of_file(path) if format == "auto" else format](path)
    if format == "auto":
        format = _format_of_folder(path)
    if format in ("parquet", "image_folder"):
        return _READERS[format](path)
    files = _files(path, format)
    if not files:
        raise DataError(f"expected {format} files in {path}, found none")
    if len(files) == 1:
        return _READERS[format](files[0])
    parts: dict[str, Path] = {}
    for file in files:
        if file.stem in parts:
            raise DataError(
                f"expected one file per split, got {parts[file.stem]} and {file} for the split '{file.stem}'; keep one "
                "of them, or rename it"
            )
        parts[file.stem] = file
    return concatenate({name: _READERS[format](file) for name, file in parts.items()})


def labels_file(path: str | Path, format: str = "auto") -> Path | None:
    """Return the other file that the labels of the file `path` are read from; None where there is none."""
    path = Path(path)
    if not path.is_file():
        return None
    kind = _format_of_file(path) if format == "auto" else format
    finders = {"npy": labels_beside, "learn_to_cluster": meta_of}
    return finders[kind](path) if kind in finders else None


def _format_of_file(path: Path) -> str:
    if path.suffix.lower() not in _SUFFIXES:
        raise DataError(f"cannot tell the format of {path}; known suffixes: {', '.join(_SUFFIXES)}. Or name the format")
    return _SUFFIXES[path.suffix.lower()]


def _format_of_folder(path: Path) -> str:
    found = [format for format in dict.fromkeys(_SUFFIXES.values()) if _files(path, format)]
    if has_files(path, SUFFIXES):
        found.append("image_folder")
    if not found and has_files(path, {".parquet"}):  # in folders such as split=train/
        found.append("parquet")
    if not found and has_files(path, UNREAD):  # whose reader says what they are
        found.append("image_folder")
    if len(found) != 1:
        several = f"found {some(found)} side by side; keep one of them, or name the format"
        what = several if found else "found nothing of the kind"
        raise DataError(f"expected images, Parquet or embeddings of one format in {path}; {what}, see docs/data.md")
    return found[0]


def _files(folder: Path, format: str) -> list[Path]:
    """Return the files of `format` in `folder`, labels that lie beside embeddings left out."""
    suffixes = tuple(suffix for suffix, name in _SUFFIXES.items() if name == format)
    places = (folder, folder / "features") if format == "learn_to_cluster" else (folder,)
    files = [place / name for place in places for name in list_files(place, suffixes, deep=False)]
    return sorted(file for file in files if not file.stem.endswith("labels"))
