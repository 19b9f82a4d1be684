"""How many compiled kernels a worker keeps."""

from __future__ import annotations

import os

_VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")  # of oneDNN, and of PyTorch around it
_MOST = "64"  # more than a clustering needs


def keep_few_kernels() -> None:
    """Let oneDNN keep the kernels of the last few shapes, unless the environment says how many.

    It makes them for each number of edges anew and keeps 1,024: as requests differ in size, a worker of 0.6 GB had 2
    after three thousand of them, and was no quicker. Call this before PyTorch is imported.
    """
    for variable in _VARIABLES:
        os.environ.setdefault(variable, _MOST)
