"""Keep what a model in service was asked and what it answered, without ever standing in its way."""

from hilander.monitoring.capture.reader import Captures, read_captures
from hilander.monitoring.capture.writer import CaptureWriter

__all__ = ["CaptureWriter", "Captures", "read_captures"]
