"""Batch clustering: a new set from a path or URL, clustered by the model in service into a run folder of its own.

The public names are loaded at first use: a process that only fetches, or a Dask worker, loads no more than it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hilander.batch.batch_run import cluster_batch
    from hilander.batch.clustering import cluster
    from hilander.batch.embedding import embed
    from hilander.batch.fetching import FetchError, SourceError, fetch
    from hilander.batch.identifying import identify
    from hilander.batch.redaction import redact
    from hilander.batch.report import write_run_report
    from hilander.batch.run_folder import RunFolder, RunFolderError, find_run
    from hilander.batch.writing import write_run

__all__ = [
    "FetchError",
    "RunFolder",
    "RunFolderError",
    "SourceError",
    "cluster",
    "cluster_batch",
    "embed",
    "fetch",
    "find_run",
    "identify",
    "redact",
    "write_run",
    "write_run_report",
]

_HOME = {
    "FetchError": "fetching",
    "RunFolder": "run_folder",
    "RunFolderError": "run_folder",
    "SourceError": "fetching",
    "cluster": "clustering",
    "cluster_batch": "batch_run",
    "embed": "embedding",
    "fetch": "fetching",
    "find_run": "run_folder",
    "identify": "identifying",
    "redact": "redaction",
    "write_run": "writing",
    "write_run_report": "report",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"hilander.batch.{_HOME[name]}"), name)
    raise AttributeError(f"module 'hilander.batch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
