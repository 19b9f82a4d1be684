"""What a caller may choose beside the data."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from hilander.serving.refusals import invalid

CLUSTER_OPTIONS = frozenset({"linkage_threshold"})


def check_options(given: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Return the options, as JSON or text gave them, with their own types.

    Parameters
    ----------
    given : mapping
    known : collection of str
        Those that the endpoint takes.

    Raises
    ------
    Refusal
        An unknown option, or a value out of its range.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        allowed = f"known: {', '.join(sorted(known))}" if known else "this path takes none"
        raise invalid(f"unknown option {unknown[0][:100]!r}; {allowed}")
    options = {}
    if given.get("linkage_threshold") is not None:
        options["linkage_threshold"] = _share("linkage_threshold", given["linkage_threshold"])
    return options


def _share(name: str, value: Any) -> float:
    sentence = f"{name} must be a number within [0, 1], higher for finer clusters; got {str(value)[:50]!r}"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise invalid(sentence)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise invalid(sentence) from None
    if not (math.isfinite(number) and 0 <= number <= 1):
        raise invalid(sentence)
    return number
