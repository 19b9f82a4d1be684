"""hilander: learn from labelled classes how to cluster, then cluster classes never seen.

The public names are loaded at first use, so that ``import hilander`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hilander.estimator import HiLander
    from hilander.training.train_lander import train_lander

__version__ = "0.1.0"
__all__ = ["HiLander", "__version__", "train_lander"]

_HOME = {"HiLander": "hilander.estimator", "train_lander": "hilander.training.train_lander"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'hilander' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
