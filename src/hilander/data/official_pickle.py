"""The official Hi-LANDER feature files, pickles of ``[features, labels]``, read without running what they say."""

from __future__ import annotations

import io
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.data.dataset import Dataset, row_ids
from hilander.data.errors import DataError


def read_official_pickle(path: str | Path) -> Dataset:
    """Read a pickle of ``[features (n, d), labels (n,)]``, of Python 2 or 3, from old or new NumPy.

    Numbers, strings, lists and NumPy arrays of these are admitted. Whatever else the file asks for is refused by name,
    before anything of it is called.

    Raises
    ------
    DataError
        Anything else inside, or not this layout.
    """
    try:
        content = _Unpickler(io.BytesIO(Path(path).read_bytes()), encoding="latin1").load()
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise DataError(f"{path} cannot be read as a pickle of [features, labels]: {error}") from error
    if not isinstance(content, list | tuple) or len(content) != 2:
        raise DataError(f"{path}: expected a list [features, labels], got {type(content).__name__}")
    try:
        features, labels = (_plain(part) for part in content)
        return Dataset(row_ids(len(features)), labels, embeddings=features)
    except (DataError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error


class _DType:
    """Stands in for `numpy.dtype`: takes its name and byte order, nothing else."""

    def __init__(self, name: Any, *_: Any) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[<>=|]?([biuf]\d{1,2}|[SU]\d{1,4})", name):
            raise DataError(f"only arrays of numbers or strings are read, got dtype {name!r}")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands in for `numpy.ndarray`: a shape, a dtype and the raw numbers."""

    array: NDArray

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, raw = state
        self.array = _from_buffer(raw, dtype, shape, "F" if is_fortran else "C").array


def _from_buffer(raw: Any, dtype: Any, shape: Any, order: str = "C") -> _Array:
    """Do the work of NumPy's own hook of this name, on plain bytes alone."""
    if not isinstance(dtype, _DType):
        raise DataError("an array came without a dtype")
    raw = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)  # Python 2 wrote bytes as text
    shape = (int(shape),) if isinstance(shape, int) else tuple(int(side) for side in shape)
    if math.prod(shape) * dtype.dtype.itemsize != len(raw):
        raise DataError(f"an array of shape {shape} does not fit the {len(raw)} bytes that came for it")
    result = _Array()
    result.array = np.frombuffer(raw, dtype.dtype).reshape(shape, order="F" if order == "F" else "C")
    return result


def _scalar(dtype: Any, raw: Any) -> Any:
    return _from_buffer(raw, dtype, ()).array.item()


def _encode(text: str, encoding: str) -> bytes:
    # Protocol 2 of Python 3 writes bytes as latin1 text; no other codec is looked up.
    if encoding != "latin1":
        raise DataError(f"only latin1 text is read, got {encoding!r}")
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    """Finds stand-ins of our own under NumPy's names, and nothing under any other."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a fresh stand-in for what the file names: fresh, since a pickle can set attributes on what it got."""
        module = module.replace("numpy._core", "numpy.core")
        match module, name:
            case "numpy", "dtype":
                return lambda *arguments: _DType(*arguments)
            case "numpy", "ndarray":
                return lambda *_: None
            case "numpy.core.multiarray", "_reconstruct":
                return lambda *_: _Array()
            case "numpy.core.multiarray", "scalar":
                return lambda dtype, raw: _scalar(dtype, raw)
            case "numpy.core.numeric", "_frombuffer":
                return lambda *arguments: _from_buffer(*arguments)
            case "_codecs", "encode":
                return lambda text, encoding: _encode(text, encoding)
        raise DataError(
            f"refused to load '{module}.{name}': only NumPy arrays, lists, numbers and strings are read, since a "
            "pickle can run any program; save the features as .npy instead"
        )


def _plain(part: Any) -> NDArray:
    """Return one of the two parts as an array: an array, or a list of numbers, strings or rows."""
    if isinstance(part, _Array):
        return part.array
    if not isinstance(part, list | tuple):
        raise DataError(f"expected an array or a list, got {type(part).__name__}")
    array = np.array([item.array if isinstance(item, _Array) else item for item in part])
    if array.dtype.kind == "O":
        raise DataError("a list must hold numbers or strings alone")
    return array
