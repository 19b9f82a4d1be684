"""How OpenMP's threads wait for each other, which its libraries read from the environment when they are loaded."""

from __future__ import annotations

import os

_TURNS = "10000"  # some 30 µs; the GNU library's own 300,000 turns are a millisecond, longer than most operations


def wait_briefly() -> None:
    """Let threads of GNU OpenMP that wait for each other give their core up soon, unless the environment says how.

    By default they spin until long after a short operation would be done: where other work runs on the same cores,
    the threads that are waited for do not get to run meanwhile. Beside one other process on two cores an epoch of an
    encoder took 108 s so, 40 s with this; alone on them it takes as long either way. Call this before PyTorch is
    imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _TURNS)
