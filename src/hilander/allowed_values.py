"""Kinds of values in ``params.yaml`` and ``serving.yaml``: numbers with the range that makes sense, and names."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass
from numbers import Integral
from typing import Annotated, Any

from hilander.typed_mapping import ConfigError


@dataclass(frozen=True)
class Range:
    """From the least to the most, both included."""

    least: float
    most: float

    def check(self, value: float, key: str) -> None:
        """Raise ConfigError where `value` is out of this range."""
        if not self.least <= value <= self.most:  # which NaN is not either
            raise ConfigError(f"{key} must be from {self.least:,} to {self.most:,}; got {value!r}")


class OneOf:
    """One of these names.

    Parameters
    ----------
    *names : str
    """

    def __init__(self, *names: str) -> None:
        self.names = names

    def check(self, value: str, key: str) -> None:
        """Raise ConfigError where nothing is called `value`."""
        if value not in self.names:
            raise ConfigError(f"{key} must be one of {', '.join(self.names)}; got {value!r}")


_FAR = 10**12  # more than any machine holds, and less than what overflows
_THIRTY_YEARS = 10**9

Count = Annotated[int, Range(1, _FAR)]
CountOrNone = Annotated[int, Range(0, _FAR)]
AtLeastTwo = Annotated[int, Range(2, _FAR)]
Seed = Annotated[int, Range(0, 2**32 - 1)]
Positive = Annotated[float, Range(1e-12, _FAR)]
NotNegative = Annotated[float, Range(0, _FAR)]
Distortion = Annotated[float, Range(0, 4.9)]  # images are scaled by 1 ± a fifth of it, which must stay above 0
Share = Annotated[float, Range(0, 1)]
ShareBelowOne = Annotated[float, Range(0, 0.999)]
Seconds = Annotated[float, Range(0.001, _THIRTY_YEARS)]
WholeSeconds = Annotated[int, Range(1, _THIRTY_YEARS)]
Days = Annotated[float, Range(0.001, 10_000)]
Hours = Annotated[float, Range(0, 100_000)]  # eleven years, after which no date overflows


def check_random_state(seed: object) -> int:
    """Return a seed that every generator of random numbers takes.

    Raises
    ------
    ValueError
        It is no whole number from 0 to 2³² − 1.
    """
    if isinstance(seed, Integral) and not isinstance(seed, bool) and 0 <= int(seed) < 1 << 32:
        return int(seed)
    raise ValueError(f"random_state must be a whole number from 0 to {(1 << 32) - 1:,}, got {seed!r}")


def check_values(block: Any, where: str = "") -> None:
    """Check the values of a dataclass, and of those within it, against the ranges and names of their annotations.

    Parameters
    ----------
    block : dataclass
    where : str
        What stands before a key in an error, as ``"serving.yaml: "``.

    Raises
    ------
    ConfigError
        A number is out of its range, or a name unknown; the error says key, what is allowed, and the value.
    """
    for key, kind in typing.get_type_hints(type(block), include_extras=True).items():
        value = getattr(block, key)
        if dataclasses.is_dataclass(value):
            check_values(value, f"{where}{key}.")
        elif typing.get_origin(kind) is tuple:
            for each in value:
                _check(typing.get_args(kind)[0], each, f"{where}{key}")
        elif typing.get_origin(kind) in (typing.Union, types.UnionType):  # of a value or null
            for each in typing.get_args(kind) if value is not None else ():
                _check(each, value, f"{where}{key}")
        else:
            _check(kind, value, f"{where}{key}")


def _check(kind: Any, value: Any, key: str) -> None:
    for allowed in getattr(kind, "__metadata__", ()):
        allowed.check(value, key)
