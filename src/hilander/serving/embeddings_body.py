"""Embeddings from a body: JSON, ``.npy``, Parquet or Arrow, bare or as the file of a form. Nothing is unpickled."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from hilander.embeddings import check_embeddings
from hilander.serving.arrow_body import read_arrow, read_parquet
from hilander.serving.bodies import media_type_of, read_form
from hilander.serving.configuration import Limits
from hilander.serving.refusals import invalid, too_large, wrong_type

JSON_TYPES = frozenset({"application/json", "text/json"})
BINARY_TYPES = frozenset(
    {
        "application/octet-stream",
        "application/x-npy",
        "application/vnd.apache.parquet",
        "application/x-parquet",
        "application/vnd.apache.arrow.stream",
        "application/vnd.apache.arrow.file",
    }
)
FORM_TYPE = "multipart/form-data"
_KNOWN_TYPES = "application/json, application/x-npy, application/vnd.apache.parquet, multipart/form-data"


def read_embeddings(
    body: bytearray, content_type: str, limits: Limits, *, n_features: int | None = None
) -> tuple[NDArray, dict[str, Any]]:
    """Read and check embeddings.

    Parameters
    ----------
    body : bytearray
    content_type : str
        Which of the formats the caller says it is; of binary ones, the content itself decides.
    limits : Limits
    n_features : int, optional
        The width that is asked for.

    Returns
    -------
    embeddings : ndarray of shape (n, d)
        As they came: what the library makes of them is the same, to the last bit, as without a service between.
    options : dict
        What stood beside them, as it was given.

    Raises
    ------
    Refusal
        Anything else came.
    """
    media_type = media_type_of(content_type)
    options: dict[str, Any] = {}
    if not body:
        raise invalid("the body is empty; send embeddings of shape (n, d), one row per item")
    if media_type in JSON_TYPES:
        embeddings, options = _from_json(body, limits)
    elif media_type in BINARY_TYPES:
        embeddings = _from_binary(body, limits)
    elif media_type == FORM_TYPE:
        form = read_form(body, content_type, most_files=1)
        if len(form.files) != 1:
            raise invalid(f"the form must hold one file of embeddings, named file; got {len(form.files)} files")
        embeddings, options = _from_binary(form.files[0][1].content, limits), dict(form.fields)
    else:
        raise wrong_type(f"the Content-Type must be one of {_KNOWN_TYPES}; got {media_type[:80]!r}")
    check_size(embeddings.shape, limits)
    try:
        check_embeddings(embeddings, n_features=n_features)
    except (ValueError, TypeError) as error:
        raise invalid(_one_sentence(error)) from error
    return embeddings, options


def check_size(shape: tuple[int, ...], limits: Limits) -> None:
    """Refuse what has too many rows or columns, before memory is taken for it."""
    if len(shape) == 2 and shape[0] > limits.max_rows:
        raise too_large(f"embeddings may have at most {limits.max_rows:,} rows, got {shape[0]:,}; send fewer at once")
    if len(shape) == 2 and shape[1] > limits.max_width:
        raise too_large(f"embeddings may be at most {limits.max_width:,} wide, got {shape[1]:,}; reduce them first")


def _from_json(body: bytearray, limits: Limits) -> tuple[NDArray, dict[str, Any]]:
    if len(body) > limits.max_json_bytes:
        raise too_large(
            f"a JSON body may hold at most {limits.max_json_bytes:,} bytes, got {len(body):,}; send embeddings as .npy "
            "with Content-Type application/x-npy"
        )
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise invalid(f'the body is not valid JSON ({error}); send {{"embeddings": [[…], …]}}') from error
    if not isinstance(value, Mapping) or "embeddings" not in value:
        raise invalid('the JSON body must be an object with the key "embeddings", rows of numbers')
    rows = value["embeddings"]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
        raise invalid("embeddings must be a list of at least one row, each a list of numbers")
    check_size((len(rows), len(rows[0])), limits)
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise invalid(f"embeddings must have rows of one width; got widths from {min(widths)} to {max(widths)}")
    kinds = {type(number) for row in rows for number in row}
    if not kinds <= {int, float}:
        kind = sorted(kind.__name__ for kind in kinds - {int, float})[0]
        raise invalid(f"embeddings must be numbers, got {'null' if kind == 'NoneType' else kind} among them")
    try:
        embeddings = np.array(rows, dtype=np.float64)
    except OverflowError:
        raise invalid("embeddings must be numbers that fit into 64 bits; one of them is larger") from None
    return embeddings, {name: option for name, option in value.items() if name != "embeddings"}


def _from_binary(body: bytearray | bytes, limits: Limits) -> NDArray:
    if body.startswith(b"\x93NUMPY"):
        return _from_npy(body, limits)
    if body.startswith(b"PAR1"):
        return read_parquet(body, limits)
    if body.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return read_arrow(body, limits)
    if body.startswith(b"\x80"):
        raise wrong_type(
            "the file looks like a pickle, which could run code and is never read; save it with numpy.save"
        )
    raise wrong_type("the file must be .npy, Parquet or Arrow; write it with numpy.save or DataFrame.to_parquet")


def _from_npy(body: bytearray | bytes, limits: Limits) -> NDArray:
    file = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran_order, dtype = read_header[version](file)
    except Exception as error:  # the header is a Python literal, and a hostile one can fail in any way
        raise invalid("the .npy file has a broken header; write it with numpy.save") from error
    if dtype.hasobject or dtype.kind not in "fiub":
        raise invalid(f"the .npy file must hold numbers, got dtype {dtype}; save embeddings as float32")
    if len(shape) != 2:
        raise invalid(f"embeddings must have shape (n, d), got {shape}; one row per item")
    check_size(shape, limits)
    expected, n_bytes = shape[0] * shape[1] * dtype.itemsize, len(body) - file.tell()
    if n_bytes != expected:
        raise invalid(
            f"the .npy file is cut short or too long: {shape} of {dtype} takes {expected:,} bytes, got {n_bytes:,}; "
            "send it again"
        )
    flat = np.frombuffer(body, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran_order else "C")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _one_sentence(error: Exception) -> str:
    return " ".join(str(error).split())
