"""Data that DVC tracks, and stage outputs, between the workspace and DVC's remote.

``python -m hilander.pipeline.data_versions`` brings the data of the folder that it is called in, as `make run` does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hilander.pipeline.dvc_stages import StageFailed, run_dvc
from hilander.pipeline.leftovers import STATE
from hilander.pipeline.redaction import Redactor

# What DVC says where trying again would not help.
_PERMANENT = ("Checkout failed for following targets", "no remote specified", "remote not found", "config file error")

_UNRECORDED = "unsaved files without confirmation"  # what it refuses to overwrite


class DataMissing(RuntimeError):
    """Neither the cache nor the remote holds what a pointer names, or there is no remote to ask."""


class RemoteUnavailable(RuntimeError):
    """The remote did not answer as it should; it may, later."""


class _NotRecorded(RuntimeError):
    """The workspace holds changes that DVC has nowhere else."""


def pull_missing(workspace: Path, say: Callable[[str], None]) -> list[str]:
    """Bring tracked data up to their pointers (``data.dvc``), fetching what is not in the cache.

    Those in folders count too. Data that were changed and not recorded are never overwritten, and what was deleted
    from a folder does not come back: the run goes on with them, and says so.

    Returns
    -------
    list of str
        Pointers whose data are not recorded, by their path below `workspace`.

    Raises
    ------
    DataMissing
        The remote does not hold them, or there is none. A web server (``http``) that is down looks so to DVC, too.
    RemoteUnavailable
        It does not answer.
    """
    if not (workspace / ".dvc").is_dir():
        return []
    under_way = workspace / STATE / "bringing-data"  # names a pointer whose data may lie here in part
    cut_short = under_way.read_text(encoding="utf-8") if under_way.is_file() else None
    unrecorded = []
    for pointer, (changes, recorded) in sorted(_state_of_pointers(workspace).items()):
        # A change may also be a word, such as "changed checksum" where a pointer was edited by hand.
        outputs = [change.get("changed outs", {}) for change in changes if isinstance(change, dict)]
        here = {state for output in outputs for state in output.values()} <= {"modified", "new"}
        try:
            if not recorded and pointer != cut_short:
                raise _NotRecorded
            under_way.parent.mkdir(parents=True, exist_ok=True)
            under_way.write_text(pointer, encoding="utf-8")
            _transfer(workspace, ["checkout" if here else "pull", pointer], say)
            under_way.unlink()
        except _NotRecorded:
            unrecorded.append(pointer)
            say(
                f"the data differ from {pointer} and are not recorded: going on with them as they are "
                "(`dvc add` records them, `dvc checkout --force` brings the recorded ones back)"
            )
    return unrecorded


def push_outputs(workspace: Path, say: Callable[[str], None]) -> None:
    """Send tracked data and stage outputs to the default remote; without one, say so.

    Raises
    ------
    DataMissing
        What was to be sent is not in the cache.
    RemoteUnavailable
        The remote does not answer.
    """
    if not run_dvc(workspace, ["config", "core.remote"], lambda line: None, what="reading the name of the remote"):
        say("no remote is configured (`dvc remote add -d NAME URL`): nothing pushed")
        return
    _transfer(workspace, ["push"], say)


def _state_of_pointers(workspace: Path) -> dict[str, tuple[list[Any], bool]]:
    """What `dvc status` says of each pointer whose data differ, and whether what lies here is a version on record.

    In this process, which spares the start of one.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(workspace)) as repo:
            stages = {os.path.realpath(stage.path): stage for stage in repo.index.stages if stage.path.endswith(".dvc")}
            state = repo.status(targets=[stage.path for stage in stages.values()]) if stages else {}
            paths = {name: os.path.realpath(name) for name in state}  # DVC names them by their path from where we are
            return {
                os.path.relpath(path, repo.root_dir): (state[name], all(map(_is_recorded, stages[path].outs)))
                for name, path in paths.items()
            }
    except DvcException as error:
        raise StageFailed(Redactor(workspace)(f"reading the state of the data failed: {error}")) from error


def _is_recorded(output: Any) -> bool:
    """Whether what lies there is what the pointer names, another version that DVC has in its cache, or nothing.

    DVC itself looks at single files, each of which is on record where one was deleted from a folder.
    """
    if not output.use_cache or not output.exists or (output.isdir() and output.is_empty):
        return True
    found = output.get_hash()
    return bool(found == output.hash_info or output.cache.exists(found.value))


def _transfer(workspace: Path, arguments: list[str], say: Callable[[str], None]) -> None:
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        say(line)

    try:
        run_dvc(workspace, arguments, hear)
    except StageFailed as error:
        if any(_UNRECORDED in line for line in lines):
            raise _NotRecorded from error
        if any(sign.lower() in line.lower() for line in lines for sign in _PERMANENT):
            raise DataMissing(
                f"{error}: neither in DVC's cache nor at a remote that answers; see `dvc remote list`, "
                "and push the data from where they are with `dvc push`"
            ) from error
        raise RemoteUnavailable(str(error)) from error


def main() -> None:
    """Bring tracked data up to their pointers; `dvc pull` would end where the user has put data in their place."""
    try:
        pull_missing(Path(), print)
    except (DataMissing, RemoteUnavailable, StageFailed) as error:
        sys.exit(f"data: {error}")


if __name__ == "__main__":
    main()
