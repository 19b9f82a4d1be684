"""What the library logs, told on stderr for as long as a command runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def told(level: int) -> Iterator[None]:
    """Tell the library's own messages from that level on; those of other libraries stay as they are.

    The root logger would let faiss tell of its builds, and a handler that stays would tell every message of a second
    command in the same process twice.

    Parameters
    ----------
    level : int
        Of `logging`.
    """
    logger = logging.getLogger("hilander")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.setLevel(level)  # a host's own handlers may ask the logger for more
    before = logger.level
    logger.addHandler(handler)
    if not logger.isEnabledFor(level):
        logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
