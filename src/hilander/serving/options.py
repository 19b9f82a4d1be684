"""What a caller may choose beside the data."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from hilander.serving.configuration import Limits
from hilander.serving.pairs_body import PAIRS, read_pairs
from hilander.serving.refusals import invalid

CLUSTER_OPTIONS = frozenset({"granularity", "linkage_threshold", "max_cluster_size", "outliers", *PAIRS})


def check_options(given: Mapping[str, Any], known: Collection[str], limits: Limits) -> dict[str, Any]:
    """Return the options, as JSON, text or files gave them, with their own types; those that are null are left out.

    Parameters
    ----------
    given : mapping
    known : collection of str
        Those that the endpoint takes.
    limits : Limits

    Raises
    ------
    Refusal
        An unknown option, or a value out of its range.
    """
    # With PyTorch, which the process that starts the workers does without.
    from hilander.estimator_parameters import OUTLIERS
    from hilander.linkage_threshold import ADAPTED

    unknown = sorted(set(given) - set(known))
    if unknown:
        allowed = f"known: {', '.join(sorted(known))}" if known else "this path takes none"
        raise invalid(f"unknown option {unknown[0][:100]!r}; {allowed}")
    options: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        if isinstance(value, str) and value.startswith('"'):  # BentoML's client writes the fields of a form as JSON
            value = value.strip('"')
        if name in PAIRS:
            options[name] = read_pairs(name, value, limits)
        elif name == "linkage_threshold" and value == ADAPTED:
            options[name] = value
        elif name == "linkage_threshold":
            asked = f"a number within [0, 1], higher for finer clusters, or {ADAPTED!r}"
            options[name] = _number(name, value, asked, lambda number: 0 <= number <= 1)
        elif name == "granularity":
            asked = "a number above 0, 1 for the model's own and higher for finer clusters"
            options[name] = _number(name, value, asked, lambda number: 0 < number < math.inf)
        elif name == "max_cluster_size":
            asked = "a whole number of rows from 1"
            number = _number(name, value, asked, lambda size: size >= 1 and (size.is_integer() or size == math.inf))
            options[name] = int(min(number, max(limits.max_rows, limits.max_images)))  # beyond, it bounds nothing
        elif value not in OUTLIERS:
            raise invalid(f"{name} must be one of {', '.join(OUTLIERS)}; got {str(value)[:50]!r}")
        else:
            options[name] = value
    return options


def check_constraints(options: Mapping[str, Any], n_rows: int) -> None:
    """Refuse constraints that no clustering of so many rows can keep to, before any work is done.

    Raises
    ------
    Refusal
        A pair names no row, or the constraints contradict each other.
    """
    from hilander.hierarchy.constrained_rows import check_pairs, constrained_rows

    try:
        must_link, cannot_link = (check_pairs(options.get(name), n_rows, name=name) for name in PAIRS)
        constrained_rows(np.arange(n_rows), must_link, cannot_link, options.get("max_cluster_size"))
    except ValueError as error:
        raise invalid(str(error)) from error


def _number(name: str, value: Any, asked: str, is_right: Callable[[float], bool]) -> float:
    sentence = f"{name} must be {asked}; got {str(value)[:50]!r}"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise invalid(sentence)
    try:
        number = float(str(value))  # as text, since an integer too large for a float is then infinite, and no error
    except ValueError:
        raise invalid(sentence) from None
    if not is_right(number):
        raise invalid(sentence)
    return number
