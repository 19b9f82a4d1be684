"""Parameters for one run, as a DVC experiment beside the workspace: ``params.yaml`` is not touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from hilander.atomic_write import atomic_file
from hilander.config import Params, check_params, load_params
from hilander.pipeline.dvc_stages import paths_read, run_dvc
from hilander.pipeline.leftovers import EXPERIMENTS
from hilander.typed_mapping import ConfigError, from_mapping


class ExperimentError(RuntimeError):
    """The copy of the workspace that an experiment runs in could not be made."""


def open_experiment(workspace: Path, name: str, overrides: Mapping[str, Any]) -> Path:
    """Return a copy of `workspace` with other parameters, sharing DVC's cache; an unfinished one of that name goes on.

    The copy is a clone of the last commit with the workspace's uncommitted changes of tracked files on top, as
    ``dvc exp run --temp`` makes it; unlike that, its stages can be run one by one and carry on after a fault: with
    the workspace's files as they are by then, since the fault may have been mended in them.

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
    params = _overridden(workspace / "params.yaml", overrides)
    copy = workspace / EXPERIMENTS / name
    if copy.exists():
        _bring_up_to_date(workspace, copy, ":(exclude)dvc.lock")  # which knows what is finished
        _share_settings(workspace, copy)
    else:
        incoming = copy.with_name(f".{name}-incoming")
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.parent.mkdir(parents=True, exist_ok=True)
        _git(workspace, "clone", "--quiet", "--shared", "--no-checkout", str(workspace), str(incoming))
        _bring_up_to_date(workspace, incoming)
        _share_settings(workspace, incoming)
        # So that what the parameters leave as it is need not run again.
        if (workspace / "dvc.lock").is_file():  # perhaps not committed yet
            shutil.copy(workspace / "dvc.lock", incoming)
        run_dvc(incoming, ["checkout", "--allow-missing"], lambda line: None, what="copying the workspace")
        if (workspace / "reports").is_dir():  # holds what is not in the cache, as the validation's pages
            shutil.copytree(
                workspace / "reports",
                incoming / "reports",
                copy_function=_copy_where_missing,
                ignore_dangling_symlinks=True,
                dirs_exist_ok=True,
            )
        incoming.replace(copy)
    _share_identity(workspace, copy)
    with atomic_file(copy / "params.yaml") as temporary:
        temporary.write_text(params, encoding="utf-8")
    _share_encoder(workspace, copy)
    return copy


def check_data_recorded(workspace: Path, copy: Path, unrecorded: Collection[str]) -> None:
    """Refuse an experiment whose copy holds other data than the workspace, or none.

    Parameters
    ----------
    workspace, copy : Path
    unrecorded : collection of str
        Pointers of the workspace whose data differ from what they name, see
        `hilander.pipeline.data_versions.pull_missing`.

    Raises
    ------
    ExperimentError
        What is not recorded by DVC or Git is not in the copy.
    """
    data = load_params(copy / "params.yaml").data.path
    read = paths_read(copy) | {Path(data)} if unrecorded else set()
    differing = [pointer for pointer in unrecorded if _holds_any(Path(pointer.removesuffix(".dvc")), read)]
    if differing:
        found = f"differ from {', '.join(differing)}"
    elif not (copy / data).exists() and (workspace / data).exists():
        found = f"in {data} are tracked by neither"
    else:
        return
    raise ExperimentError(
        "an experiment runs in a copy of the workspace, which holds data that DVC or Git has recorded, but the data "
        f"{found}; record them first: dvc add {differing[0].removesuffix('.dvc') if differing else data}"
    )


def _copy_where_missing(source: str, target: str) -> None:
    """Leave what DVC has checked out: it may be a link into the cache, through which the cache would be written to."""
    if not os.path.lexists(target):
        shutil.copy2(source, target)


def _holds_any(tracked: Path, read: Collection[Path]) -> bool:
    return any(path.is_relative_to(tracked) or tracked.is_relative_to(path) for path in read)


def save_experiment(workspace: Path, copy: Path, say: Callable[[str], None]) -> None:
    """Save the run as a DVC experiment of `workspace`, which does without the copy from then on.

    ``dvc exp show`` lists it with its metrics, ``dvc exp apply NAME`` brings its parameters and cached outputs into
    the workspace, and ``dvc repro`` after that the others, if there are any.
    """
    name = copy.name
    # DVC puts changes aside and back, which Git refuses of a file that is one way in the index, another in the folder.
    _git(copy, "add", "--update")
    run_dvc(copy, ["exp", "save", "--force", "--name", name], say, what="saving the experiment")
    _git(workspace, "fetch", "--quiet", "--force", str(copy), f"refs/exps/*/{name}:refs/exps/*/{name}")


def _overridden(path: Path, overrides: Mapping[str, Any]) -> str:
    """The text of params.yaml with other values, checked."""
    from ruamel.yaml import YAML  # keeps the comments, which `dvc exp apply` would else remove from the workspace

    load_params(path)
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096  # no line is broken that was not
    params = editor.load(path) or {}
    for key, value in _by_place(overrides):
        *blocks, last = key.split(".")
        block = params
        for part in blocks:
            if block.get(part) is None:
                block[part] = {}
            block = block[part]
            if not isinstance(block, dict):
                raise ConfigError(f"override '{key}': '{part}' is {block!r}, not a block of parameters")
        block[last] = editor.load(yaml.safe_dump(value))  # else 1e-05 and 'no' change their type for YAML 1.1 readers
    text = StringIO()
    editor.dump(params, text)
    where = "params.yaml with the overrides"
    check_params(from_mapping(Params, yaml.safe_load(text.getvalue()) or {}, where=where), where)
    return text.getvalue()


def _by_place(overrides: Mapping[str, Any], block: str = "") -> Iterator[tuple[str, Any]]:
    """Each parameter by its place: of a whole block those that are given, so that the others stay as they are."""
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            yield from _by_place(value, f"{block}{key}.")
        else:
            yield f"{block}{key}", value


def _bring_up_to_date(workspace: Path, copy: Path, *but: str) -> None:
    """Give `copy` the last commit of `workspace` as its own, and the tracked files as they are there now."""
    head = _git(workspace, "rev-parse", "--verify", "HEAD")
    changed = _git(workspace, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules")
    state = _git(workspace, "stash", "create") if changed else head  # a commit of them; nothing is put aside
    _git(copy, "reset", "--quiet", "--soft", head)
    _git(copy, "restore", "--source", state, "--staged", "--worktree", "--", ":/", *but)


def _share_settings(workspace: Path, copy: Path) -> None:
    """Let `copy` use DVC's cache, remotes and credentials; relative places are those of `workspace`."""
    from dvc.config import Config

    settings = Config(str(workspace / ".dvc")).load_config_to_level()
    settings["cache"].setdefault("dir", str((workspace / ".dvc/cache").resolve()))
    (copy / ".dvc/config.local").touch(mode=0o600)
    with Config(str(copy / ".dvc")).edit("local") as local:
        local.update(settings)


def _share_encoder(workspace: Path, copy: Path) -> None:
    """Link to the encoder that is brought along, which mostly neither Git nor DVC has on record."""
    path = Path(load_params(copy / "params.yaml").encoder.path)
    if ".." in path.parts or not (workspace / path).exists() or os.path.lexists(copy / path):
        return
    (copy / path).parent.mkdir(parents=True, exist_ok=True)
    (copy / path).symlink_to((workspace / path).resolve())


def _share_identity(workspace: Path, copy: Path) -> None:
    """Let `copy` commit as `workspace` does; as ourselves where Git knows no name, without which DVC saves nothing."""
    for key, ours in (("user.name", "hilander"), ("user.email", "hilander@localhost")):
        _git(copy, "config", key, _git(workspace, "config", "--default", ours, "--get", key))


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ExperimentError(
            f"an experiment runs in a copy of the workspace's last commit, but `git {arguments[0]}` failed: "
            f"{result.stderr.strip()}"
        )
    return result.stdout.strip()
