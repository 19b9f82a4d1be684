import ctypes
from pathlib import Path

import numpy as np
import pytest

from hilander.training.freed_memory import give_back_freed_memory


def resident_bytes():
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library has no malloc_trim")
def test_what_was_freed_between_pieces_in_use_is_given_back():
    pieces = [np.ones(8_000) for _ in range(4_000)]  # 256 MB, each piece too small for a map of its own
    in_use = pieces[::100]
    del pieces
    freed = resident_bytes()
    give_back_freed_memory()
    assert resident_bytes() < freed - 200e6
    assert all(piece.sum() == 8_000 for piece in in_use)
