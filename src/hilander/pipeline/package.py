"""A finished run of the stages as a release."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from hilander.config import load_params
from hilander.releases import Items, Release, publish_release

EMBEDDINGS, ENCODER, LANDER = Path("artifacts/embeddings"), Path("artifacts/encoder"), Path("artifacts/lander")
CLUSTERS, METRICS = Path("artifacts/clusters/test.parquet"), Path("reports/metrics.json")


def package(
    workspace: Path, models: Path, experiment: str | None = None, say: Callable[[str], None] = print
) -> Release:
    """Put the model that the stages have made into service.

    Parameters
    ----------
    workspace : Path
        Where the stages ran.
    models : Path
        Folder of all releases.
    experiment : str, optional
        Name of the DVC experiment that it comes from.
    say : callable
        Gets a sentence where the model stays out of service, and where Git does not tell the commit.

    Returns
    -------
    Release
        A new one; or the one in service where that holds the same files, or these were taken out of service.

    Raises
    ------
    FileNotFoundError
        A stage has not run.
    """
    params = load_params(workspace / "params.yaml")
    train, test = (_items(workspace, split) for split in ("train", "test"))
    clusters = pd.read_parquet(_found(workspace / CLUSTERS))[["id", "cluster", "probability"]]
    metrics = json.loads(_found(workspace / METRICS).read_text(encoding="utf-8"))[params.lander.variant]
    return publish_release(
        models,
        lander=_found(workspace / LANDER / params.lander.variant),
        encoder=_found(workspace / ENCODER),
        reference=train,
        catalogue=Items(test.embeddings, clusters),
        metrics=metrics,
        provenance={
            "commit": _commit(workspace, say),
            "experiment": experiment,
            "data": _data_digest(workspace, params.data.path),
            "params": dataclasses.asdict(params),
        },
        say=say,
    )


def _items(workspace: Path, split: str) -> Items:
    folder = _found(workspace / EMBEDDINGS / split)
    return Items(np.load(folder / "embeddings.npy", allow_pickle=False), pd.read_parquet(folder / "items.parquet"))


def _found(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"expected {path}, found nothing there; run the stages first: dvc repro")
    return path


def _commit(workspace: Path, say: Callable[[str], None]) -> str | None:
    command = ["git", "rev-parse", "--verify", "HEAD"]
    environment = os.environ | {"LC_ALL": "C"}
    try:
        answer = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # DVC does without Git, in a workspace of `dvc init --no-scm`
        return None
    if answer.returncode != 0 and "not a git repository" not in answer.stderr:  # as a volume of another owner is
        say(f"the release names no commit, since Git does not tell it: {answer.stderr.strip()}")
    return answer.stdout.strip() or None


def _data_digest(workspace: Path, data: str) -> str | None:
    """The version of the data that the stages have read, as DVC names it, whether it is recorded or not."""
    lock = workspace / "dvc.lock"
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"] if lock.is_file() else {}
    # DVC notes what lies in the workspace by its path there, however params.yaml writes it.
    deps = [
        dep for stage in stages.values() for dep in stage.get("deps", []) if workspace / dep["path"] == workspace / data
    ]
    return deps[0].get("md5") if deps else None
