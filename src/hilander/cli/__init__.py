"""The command line.

``hilander demo | train | cluster | assign | self-train | evaluate | import-data | report | drift``
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hilander.cli.commands import app

__all__ = ["app"]


def __getattr__(name: str) -> Any:
    if name == "app":
        return _imported_app()
    raise AttributeError(f"module 'hilander.cli' has no attribute {name!r}")


def _imported_app() -> Any:
    """Import the commands; Ctrl-C meanwhile ends the process without Python's traceback, for nothing is begun yet."""
    before = signal.getsignal(signal.SIGINT)
    ours = before is signal.default_int_handler and threading.current_thread() is threading.main_thread()
    if ours:  # not where it is ignored, as behind nohup
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # hilander.cli.errors.INTERRUPTED
    try:
        from hilander.cli.commands import app
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
    return app
