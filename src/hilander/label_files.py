"""Clusters and labels in files that people open: Parquet, CSV, or .npy."""

from __future__ import annotations

import contextlib
import csv
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pandas.api.types import infer_dtype

from hilander.atomic_write import atomic_file, save_array

SUFFIXES = (".parquet", ".csv", ".npy")
_SIGNS = {",": "comma", ";": "semicolon", "\t": "tab"}
_CLUSTER_COLUMNS, _CLASS_COLUMNS = ("cluster",), ("label", "labels", "class")


@dataclass(frozen=True)
class Labels:
    """Labels of n items.

    Attributes
    ----------
    labels : ndarray of shape (n,)
        Integers or strings; None where a label is missing.
    ids : ndarray of shape (n,), str, or None
        Names of the items, where the file has them.
    others : mapping of str to ndarray of shape (n,), str
        Columns that may hold names of the items, of a file without a column ``id``.
    """

    labels: NDArray
    ids: NDArray[np.str_] | None = None
    others: Mapping[str, NDArray] = field(default_factory=dict)


def write_clusters(
    path: str | Path,
    ids: NDArray[np.str_],
    clusters: NDArray[np.int64],
    probabilities: NDArray[np.float32],
) -> Path:
    """Write one row per item: ``id``, ``cluster``, ``probability``; a ``.npy`` holds the clusters alone.

    Raises
    ------
    ValueError
        Another suffix.
    """
    path = check_suffix(path)
    table = pd.DataFrame({"id": ids, "cluster": clusters, "probability": probabilities})
    with atomic_file(path) as temporary:
        if path.suffix == ".npy":
            save_array(temporary, clusters)
        elif path.suffix == ".csv":
            # the csv module of Python 3.11 quotes no \r, which would end the line for whoever reads it
            quoting = csv.QUOTE_NONNUMERIC if any("\r" in name for name in ids.tolist()) else csv.QUOTE_MINIMAL
            table.to_csv(temporary, index=False, float_format="%.4f", quoting=quoting)
        else:
            # a name that is not UTF-8, Arrow takes as bytes alone
            with pa.OSFile(os.fsencode(temporary), "wb") as file:
                pq.write_table(pa.Table.from_pandas(table, preserve_index=False), file)
    return path


def read_labels(path: str | Path, *, classes: bool = False) -> Labels:
    """Read labels or clusters: a column ``cluster``, ``label``, ``labels`` or ``class``, and ``id`` where there is one.

    Parameters
    ----------
    path : str or Path
    classes : bool
        Take the true classes of a table that holds clusters as well; by default its clusters.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Another suffix, no such column, or not one label per item.
    """
    path = check_suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected labels in {path}, found no such file")
    try:
        return _read(path, classes)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError, pa.ArrowException, EOFError) as error:
        raise ValueError(f"{path} cannot be read as a {path.suffix} file: {error}") from error


def _read(path: Path, classes: bool) -> Labels:
    if path.suffix == ".npy":
        try:
            labels = np.load(path, allow_pickle=False)
        except MemoryError:
            raise
        except Exception as error:  # of objects, no NumPy file at all, or a damaged one, which can fail in any way
            raise ValueError(f"{path} must be a NumPy file of integers or strings: {error}") from error
        if not isinstance(labels, np.ndarray):
            raise ValueError(f"{path} must hold one array, but is an archive; save the labels with numpy.save")
        if labels.ndim != 1:
            raise ValueError(f"{path} must hold one label per item, shape (n,); got {labels.shape}")
        return Labels(labels)
    is_text = path.suffix == ".csv"
    table = read_text_table(path) if is_text else _read_parquet(path)
    columns = (*_CLASS_COLUMNS, *_CLUSTER_COLUMNS) if classes else (*_CLUSTER_COLUMNS, *_CLASS_COLUMNS)
    for column in columns:
        if column in table:
            labels = _parsed(table[column]) if is_text else table[column].to_numpy()
            if "id" in table:
                return Labels(labels, table["id"].astype(str).to_numpy())
            return Labels(labels, others=_names(table.drop(columns=column)))
    raise ValueError(f"{path} must have a column {' or '.join(columns)}; it has {', '.join(map(str, table.columns))}")


def _names(table: pd.DataFrame) -> dict[str, NDArray]:
    """Columns of strings or whole numbers, and an index that is no mere count, as strings."""
    counted = isinstance(table.index, pd.RangeIndex)
    columns = {str(name): table[name] for name in table} | ({} if counted else {"the index": table.index})
    named = {name: column for name, column in columns.items() if infer_dtype(column) in ("string", "integer")}
    return {name: column.astype(str).to_numpy() for name, column in named.items()}


def _read_parquet(path: Path) -> pd.DataFrame:
    with path.open("rb") as file:  # of a path, Arrow and pandas would take ~ for the home folder
        table = pd.read_parquet(file)
    index = [name for name in table.index.names if name is not None and name not in table]
    return table.reset_index(index) if index else table  # where pandas has kept the ids


def read_text_table(path: Path) -> pd.DataFrame:
    """Read a ``.csv`` file, every field as it stands there: 007 is no 7 and NA no missing value.

    Fields are parted by commas; by semicolons or tabs where the first line holds no comma but some of these, as
    spreadsheets write where a comma marks decimals.

    Raises
    ------
    ParserError, EmptyDataError, UnicodeDecodeError
        All of them ValueErrors: no CSV in UTF-8, or lines of more fields than the first line names, the first of which
        pandas would take for the names of rows.
    """
    with path.open("rb") as file:
        if any(b"\0" in block for block in iter(lambda: file.read(1 << 20), b"")):  # for pandas it ends the field
            raise pd.errors.ParserError("it holds NUL, as UTF-16 does; save it as UTF-8, or names with NUL as .parquet")
        file.seek(0)
        header = file.readline()
        separator = next((sign for sign in _SIGNS if sign.encode() in header), ",")
        file.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                return pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, index_col=False)
        except pd.errors.ParserWarning as error:
            raise pd.errors.ParserError(
                "its lines hold more fields than the first line names; name each column there, and quote what holds a "
                f"{_SIGNS[separator]}"
            ) from error


def _parsed(texts: pd.Series) -> NDArray:
    """Labels of a text file: integers where all are written as such, else strings, None where there is none.

    As integers count numbers that all end in .0, as pandas writes them where one was missing once: -1.0 is no cluster.
    """
    written = texts.str.removesuffix(".0") if texts.str.endswith(".0").all() else texts
    with contextlib.suppress(ValueError, OverflowError):
        numbers = written.astype(np.int64)
        if (numbers.astype(str) == written).all():
            return numbers.to_numpy()
    return texts.astype(object).where(texts != "", None).to_numpy()


def align(reference: Labels, other: Labels) -> NDArray:
    """Return `other`'s labels in the order of `reference`: by id where both name their items, else as they stand.

    Raises
    ------
    ValueError
        Ids repeat or are missing, the lengths differ, or one has the other's ids, in another order, in a column of
        another name.
    """
    if reference.ids is None or other.ids is None:
        _check_order(reference.ids, other.others)
        _check_order(other.ids, reference.others)
        if len(reference.labels) != len(other.labels):
            raise ValueError(
                f"both files must label the same items: {len(reference.labels)} labels against {len(other.labels)}"
            )
        return other.labels
    for ids in (reference.ids, other.ids):
        names, counts = np.unique(ids, return_counts=True)
        if len(names) < len(ids):
            raise ValueError(
                f"ids must be unique to be matched, but some occur twice, for instance {names[counts > 1][0]}; "
                "keep one row of each"
            )
    by_id = pd.Series(np.arange(len(other.ids)), index=other.ids)
    rows = by_id.reindex(reference.ids).to_numpy()
    if np.isnan(rows).any():
        missing = reference.ids[np.isnan(rows)]
        raise ValueError(f"{len(missing)} of {len(reference.ids)} ids have no label in the other file: {missing[0]}, …")
    return other.labels[rows.astype(np.int64)]


def _check_order(ids: NDArray[np.str_] | None, columns: Mapping[str, NDArray]) -> None:
    """Raise ValueError where rows would be taken as they stand, though a column says that they are in another order."""
    if ids is None or not len(ids):
        return
    for name, column in columns.items():
        if np.array_equal(column, ids) or not (column == ids[0]).any():  # mostly, and quickly found
            continue
        if pd.Index(ids).isin(column).all():
            raise ValueError(
                f"one file names its items by id, and of the other, which has no column id, {name!r} holds these ids "
                "in another order; call that column id, or leave it out where rows are in the same order"
            )


def check_suffix(path: str | Path) -> Path:
    """Return `path` if its suffix is one that labels are kept in, before any work is done."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"labels are kept in {', '.join(SUFFIXES)}; got {path}")
    return path
