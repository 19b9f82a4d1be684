"""Pairs of items in files: two columns of ids, or row numbers in a ``.npy``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.label_files import read_text_table

SUFFIXES = (".csv", ".parquet", ".npy")


def check_pairs_file(path: Path | None) -> None:
    """Refuse a file that `read_pairs` cannot read by what it is called, before any work is done; None is no file.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Another suffix.
    """
    if path is None:
        return
    if path.suffix not in SUFFIXES:
        raise ValueError(f"pairs are kept in {', '.join(SUFFIXES)}; got {path.name}")
    if not path.is_file():
        raise FileNotFoundError(f"expected pairs in {path}, found no such file")


def read_pairs(path: Path | None, ids: NDArray[np.str_]) -> NDArray[np.int64] | None:
    """Return pairs as row numbers, (m, 2), None without a file.

    Parameters
    ----------
    path : Path or None
        ``.csv`` (with a header line) or ``.parquet`` of two columns of ids, or ``.npy`` of row numbers (m, 2).
    ids : ndarray of shape (n,), str
        Name of each row.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Another suffix, not two columns, a header line that is a pair, or an id that is unknown or not unique.
    """
    check_pairs_file(path)
    if path is None:
        return None
    content = _content(path)
    if not isinstance(content, pd.DataFrame):
        return content
    table = content
    if table.shape[1] != 2:
        raise ValueError(f"{path} must have two columns of ids, got {table.shape[1]}: {', '.join(map(str, table))}")
    rows = pd.Series(np.arange(len(ids)), index=ids)
    if path.suffix == ".csv" and rows.index.isin(table.columns).any():  # a Parquet file's columns always have names
        raise ValueError(f"the first line of {path} is a pair of ids; put a header line before it, as first,second")
    named = table.to_numpy().ravel()
    repeated = rows.index.duplicated(keep=False)
    ambiguous = named[np.isin(named, rows.index[repeated])]
    if len(ambiguous):
        raise ValueError(f"{path} names {ambiguous[0]!r}, which several items are called; give row numbers as .npy")
    places = rows[~repeated].reindex(named).to_numpy()
    if np.isnan(places).any():
        raise ValueError(f"{path} names {named[np.isnan(places)][0]!r}, which is no item's id")
    return places.astype(np.int64).reshape(-1, 2)


def _content(path: Path) -> pd.DataFrame | NDArray[np.int64]:
    try:
        if path.suffix == ".csv":
            return read_text_table(path)
        if path.suffix == ".parquet":
            return pd.read_parquet(path).astype(str)
        pairs = np.load(path, allow_pickle=False)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(f"{path} cannot be read as a {path.suffix} file of pairs: {error}") from error
    if not isinstance(pairs, np.ndarray):
        raise ValueError(f"{path} must hold one array of row numbers, but is an archive; save them with numpy.save")
    return pairs
