"""The one error that reading, splitting and validating data raise, and how it lists names."""

from __future__ import annotations

from collections.abc import Iterable


class DataError(ValueError):
    """The data are not what hilander can learn from or cluster; the message names the file, the rows or the classes."""


def some(names: Iterable[object], shown: int = 5) -> str:
    """Write the first few of `names`, and how many there are in all if more.

    Examples
    --------
    >>> some(["cat", "dog"])
    'cat, dog'
    >>> some(range(9), shown=2)
    '0, 1, … (9 in all)'
    """
    listed = [str(name) for name in names]
    text = ", ".join(listed[:shown])
    return text if len(listed) <= shown else f"{text}, … ({len(listed)} in all)"
