"""Parameters for one run, as a DVC experiment beside the workspace: ``params.yaml`` is not touched."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hilander.config import load_params
from hilander.pipeline.dvc_stages import run_dvc
from hilander.pipeline.leftovers import STATE


class ExperimentError(RuntimeError):
    """The copy of the workspace that an experiment runs in could not be made."""


def open_experiment(workspace: Path, name: str, overrides: Mapping[str, Any]) -> Path:
    """Return a copy of `workspace` with other parameters, sharing DVC's cache; an unfinished one of that name goes on.

    The copy is a clone of the last commit with the workspace's uncommitted changes of tracked files on top, as
    ``dvc exp run --temp`` makes it; unlike that, its stages can be run one by one and carry on after a fault.

    Parameters
    ----------
    workspace : Path
        Folder of ``dvc.yaml``, the top of a Git repository.
    name : str
        Of the experiment.
    overrides : mapping
        From dotted keys of ``params.yaml`` to values: ``{"encoder.epochs": 5}``.

    Raises
    ------
    ExperimentError
        No Git repository with a commit, or a change that cannot be applied.
    ConfigError
        An override names an unknown parameter or holds a value of another type.
    """
    copy = workspace / STATE / "experiments" / name
    if not copy.exists():
        incoming = copy.with_name(f".{name}-incoming")
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.parent.mkdir(parents=True, exist_ok=True)
        _git(workspace, "clone", "--quiet", "--shared", str(workspace), str(incoming))
        changes = _git(workspace, "diff", "--binary", "HEAD")
        if changes:
            _git(incoming, "apply", "--whitespace=nowarn", "-", text=changes)
        local = workspace / ".dvc/config.local"  # remotes' credentials
        if local.is_file():
            shutil.copy(local, incoming / ".dvc/config.local")
        cache = _dvc(workspace, "cache", "dir")
        _dvc(incoming, "cache", "dir", "--local", str((workspace / cache).resolve()))
        _dvc(incoming, "checkout", "--allow-missing")  # so that what the parameters leave as it is need not run again
        if (workspace / "reports").is_dir():  # not in the cache
            shutil.copytree(workspace / "reports", incoming / "reports", dirs_exist_ok=True)
        incoming.replace(copy)
    _override(copy / "params.yaml", overrides)
    return copy


def finish_experiment(workspace: Path, copy: Path, say: Callable[[str], None]) -> None:
    """Save the run as a DVC experiment of `workspace` and remove the copy.

    ``dvc exp show`` lists it, ``dvc exp apply NAME`` brings its parameters and outputs into the workspace.
    """
    name = copy.name
    run_dvc(copy, ["exp", "save", "--force", "--name", name], say)
    _git(workspace, "fetch", "--quiet", "--force", str(copy), f"refs/exps/*/{name}:refs/exps/*/{name}")
    shutil.rmtree(copy)


def _dvc(folder: Path, *arguments: str) -> str:
    lines = [""]
    run_dvc(folder, list(arguments), lines.append)
    return lines[-1]


def _override(path: Path, overrides: Mapping[str, Any]) -> None:
    from ruamel.yaml import YAML  # keeps the comments, which `dvc exp apply` would else remove from the workspace

    reader = YAML()
    params = reader.load(path) or {}
    for key, value in overrides.items():
        block = params
        *blocks, last = key.split(".")
        for part in blocks:
            block = block.setdefault(part, {})
        block[last] = value
    reader.dump(params, path)
    load_params(path)  # an unknown key or another type is refused before anything runs


def _git(folder: Path, *arguments: str, text: str | None = None) -> str:
    result = subprocess.run(["git", *arguments], cwd=folder, input=text, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ExperimentError(
            f"an experiment runs in a copy of the workspace's last commit, but `git {arguments[0]}` failed: "
            f"{result.stderr.strip()}"
        )
    return result.stdout
