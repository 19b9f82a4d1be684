"""Pairs of rows from a request: a list of JSON, its text in a form or query, or a ``.npy`` file of a form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilander.serving.configuration import Limits
from hilander.serving.npy_body import NPY_MAGIC, read_npy
from hilander.serving.refusals import invalid, too_large

PAIRS = ("must_link", "cannot_link")
_LISTS_BESIDE = 1_000  # such as those that hold the rows and pairs


def check_json(text: str | bytes | bytearray, limits: Limits) -> None:
    """Refuse JSON that is too long, or holds more lists than rows and pairs may come, before any of it is read.

    Three bytes make a list, which takes eighty in memory; and while Python makes millions of them, it looks for garbage
    among them again and again, and the worker answers nobody.

    Raises
    ------
    Refusal
        It is longer, or holds more lists and objects, than `limits` leave room for.
    """
    if len(text) > limits.max_json_bytes:
        raise too_large(
            f"JSON may hold at most {limits.max_json_bytes:,} bytes, got {len(text):,}; send .npy instead, as "
            "numpy.save writes it"
        )
    n_lists = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    if n_lists > limits.max_rows + len(PAIRS) * limits.max_pairs + _LISTS_BESIDE:
        raise too_large(
            f"JSON may hold at most {limits.max_rows:,} rows and {limits.max_pairs:,} pairs of a kind, got {n_lists:,} "
            "lists; send fewer at once"
        )


def read_pairs(name: str, value: Any, limits: Limits) -> NDArray[np.integer]:
    """Return pairs of row numbers, (m, 2), as they came; whether there are such rows is checked with the rows.

    Parameters
    ----------
    name : str
    value : list, str or bytes
    limits : Limits

    Raises
    ------
    Refusal
        Anything else came, or too many.
    """
    asked = f"{name} must be pairs of row numbers, as [[0, 1], [2, 3]]"

    def check_shape(shape: tuple[int, ...]) -> None:
        if shape[0] > limits.max_pairs:
            raise too_large(f"{name} may hold at most {limits.max_pairs:,} pairs, got {shape[0]:,}; send fewer at once")
        if shape[1] != 2:
            raise invalid(f"{asked}; got rows of {shape[1]}")

    if isinstance(value, bytes) and value.startswith(NPY_MAGIC):
        return read_npy(value, name=name, form="(m, 2)", kinds="iu", check_shape=check_shape)
    if isinstance(value, str | bytes):
        check_json(value, limits)
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise invalid(f"{asked}; got what is neither JSON nor .npy") from error
    if not isinstance(value, list) or not all(isinstance(pair, list) for pair in value):
        raise invalid(f"{asked}; got {type(value).__name__ if not isinstance(value, list) else 'other items'}")
    if not value:
        return np.empty((0, 2), np.int64)
    for width in sorted({len(pair) for pair in value} - {2}):
        check_shape((len(value), width))
    check_shape((len(value), 2))
    if {type(row) for pair in value for row in pair} != {int}:
        raise invalid(f"{asked}; got other than integers among them")
    try:
        return np.array(value, dtype=np.int64)
    except OverflowError:
        raise invalid(f"{asked}; one of them is beyond 64 bits") from None
