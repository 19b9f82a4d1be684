"""The folder of one batch run: written whole or not at all, and checked when it is read back."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.model_folder import digest_of

FORMAT = "hilander-run/1"
MANIFEST, CLUSTERS, EMBEDDINGS, REPORT = "run.json", "clusters.parquet", "embeddings.npy", "report.html"
LATEST = "latest"
_ASKED = ("run_id", "made_at", "source", "release", "encoder", "counts", "next_id", "files", "named_by_row")


class RunFolderError(ValueError):
    """A run folder is incomplete or altered; the message names the file and the remedy."""


@dataclass(frozen=True)
class RunFolder:
    """One finished batch run.

    Attributes
    ----------
    folder : Path
        ``clusters.parquet`` (id, cluster, probability), ``embeddings.npy`` (n, d) float32 in the same order,
        ``report.html``, ``run.json``.
    facts : dict
        What ``run.json`` says: source (without secrets), release, counts, settings, seconds, earlier run, next_id, ….
    """

    folder: Path
    facts: dict[str, Any]

    @classmethod
    def load(cls, folder: str | Path) -> RunFolder:
        """Open a run folder, checking the digests of clusters and embeddings, and that they go together.

        Raises
        ------
        FileNotFoundError
            No run there.
        RunFolderError
            A file is missing or altered.
        """
        folder = Path(folder)
        path = folder / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(f"expected a batch run in {folder}, found no {MANIFEST}")
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts["format"] != FORMAT:
                raise RunFolderError(f"{path} must be of format {FORMAT!r}; got {facts['format']!r}: update hilander")
            missing = [name for name in _ASKED if name not in facts]
            files, items, next_id = dict(facts["files"]), int(facts["counts"]["items"]), int(facts["next_id"])
        except RunFolderError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"{path} was altered or damaged ({error!r}); {_REMEDY}") from error
        if missing:
            raise RunFolderError(f"{path} does not say {', '.join(missing)}; {_REMEDY}")
        for name in (CLUSTERS, EMBEDDINGS):
            if not (folder / name).is_file() or digest_of(folder / name) != files.get(name):
                raise RunFolderError(f"{folder / name} is missing or was altered; {_REMEDY}")
        run = cls(folder, facts)
        table = run.clusters()
        if len(table) != items or len(run.embeddings()) != items or table["cluster"].max() >= next_id:
            raise RunFolderError(f"{path} does not fit {CLUSTERS} and {EMBEDDINGS} beside it; {_REMEDY}")
        return run

    @property
    def run_id(self) -> str:
        """When it began and a random part: ``20261122T203015-3f9a1c2b``."""
        return str(self.facts["run_id"])

    @property
    def next_id(self) -> int:
        """The first cluster id that neither this run nor one before it in its chain has used."""
        return int(self.facts["next_id"])

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT

    def clusters(self) -> pd.DataFrame:
        """Return ``id``, ``cluster`` and ``probability`` of every item."""
        return pd.read_parquet(self.folder / CLUSTERS)

    def embeddings(self) -> NDArray[np.float32]:
        """Return the items' embeddings, (n, d) float32, L2-normalised, memory-mapped."""
        return np.load(self.folder / EMBEDDINGS, mmap_mode="r", allow_pickle=False)


_REMEDY = "run the batch again, or name another run"


def new_run_id() -> str:
    """Return a name that no other run has and that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def check_run_id(name: str) -> str:
    """Return `name` if a run can be found by it.

    Raises
    ------
    ValueError
        It is hidden, ``latest``, or no name of a folder.
    """
    if not name or name == LATEST or name.startswith(".") or Path(name).name != name:
        raise ValueError(f"a run is named by a folder's name, neither hidden nor {LATEST!r}; got {name!r}")
    return name


def find_run(runs: str | Path, name: str | Path | None) -> RunFolder | None:
    """Open an earlier run.

    Parameters
    ----------
    runs : str or Path
        Folder of all runs.
    name : str, Path or None
        A run's id, its folder, or ``latest``: of the runs in `runs` that no other one there goes on from, the one that
        was finished last.

    Returns
    -------
    RunFolder or None
        None where `name` is None, or where it is ``latest`` and there is no run yet.

    Raises
    ------
    FileNotFoundError
        No such run; the message lists the newest ones.
    RunFolderError
        It is incomplete or altered.
    """
    if name is None:
        return None
    # What an interrupted run left behind has a hidden name.
    known = sorted(path.parent.name for path in Path(runs).glob(f"[!.]*/{MANIFEST}"))
    if name == LATEST:
        told = {Path(runs) / run: _told(Path(runs) / run) for run in known}
        # One that was finished while the clock was ahead would be the last one until it is that late.
        gone_on_from = {facts.get("earlier_run") for facts in told.values()}
        ends = [folder for folder, facts in told.items() if facts.get("run_id") not in gone_on_from] or list(told)
        return RunFolder.load(max(ends, key=lambda folder: str(told[folder]["made_at"]))) if ends else None
    for folder in (Path(runs) / name, Path(name)):
        if (folder / MANIFEST).is_file():
            return RunFolder.load(folder)
    shown = ", ".join(known[-5:]) or "none"
    raise FileNotFoundError(f"expected the earlier run {name} in {runs} or as a folder; the newest there: {shown}")


def _told(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {**facts, "made_at": facts["made_at"]}
    except (ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{folder / MANIFEST} was altered or damaged ({error!r}); remove that run") from error
