"""What training has freed, given back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back_freed_memory() -> None:
    """Let the system have the memory that this process has freed but keeps.

    glibc's allocator keeps pieces of some megabytes that were freed between others in use. Training frees hundreds of
    them, of ever other sizes, and would go on to hold three quarters of its peak for nothing. With another C library
    nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
