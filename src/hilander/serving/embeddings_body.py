"""Embeddings from a body: JSON, ``.npy``, Parquet or Arrow, bare or as the file of a form. Nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from hilander.embeddings import check_embeddings
from hilander.serving.arrow_body import ARROW_FILE, read_arrow, read_parquet
from hilander.serving.bodies import media_type_of, read_form
from hilander.serving.configuration import Limits
from hilander.serving.npy_body import NPY_MAGIC, read_npy
from hilander.serving.pairs_body import PAIRS, check_json
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
_KNOWN_TYPES = (
    "application/json, application/x-npy, application/vnd.apache.parquet, application/vnd.apache.arrow.stream, "
    f"{FORM_TYPE}"
)


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
        form = read_form(body, content_type, most_files=1 + len(PAIRS))
        files = [file for name, file in form.files if name not in PAIRS]
        if len(files) != 1:
            raise invalid(f"the form must hold one file of embeddings, named file; got {len(files)} files")
        embeddings, options = _from_binary(files[0].content, limits), form.options(PAIRS)
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
    check_json(body, limits)
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
    if body.startswith(NPY_MAGIC):
        return read_npy(
            body, name="embeddings", form="(n, d)", kinds="fiub", check_shape=lambda shape: check_size(shape, limits)
        )
    if body.startswith(b"PAR1"):
        return read_parquet(body, limits)
    if body.startswith((ARROW_FILE, b"\xff\xff\xff\xff")):
        return read_arrow(body, limits)
    if body.startswith(b"\x80"):
        raise wrong_type(
            "the file looks like a pickle, which could run code and is never read; save it with numpy.save"
        )
    raise wrong_type("the file must be .npy, Parquet or Arrow; write it with numpy.save or DataFrame.to_parquet")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _one_sentence(error: Exception) -> str:
    return " ".join(str(error).split())
