"""Data that DVC tracks, and stage outputs, between the workspace and DVC's remote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from hilander.pipeline.dvc_stages import StageFailed, run_dvc

# What DVC says where trying again would not help.
_PERMANENT = ("Checkout failed for following targets", "no remote specified", "remote not found", "config file error")


class DataMissing(RuntimeError):
    """Neither the cache nor the remote holds what a pointer names, or there is no remote to ask."""


class RemoteUnavailable(RuntimeError):
    """The remote did not answer as it should; it may, later."""


def pull_missing(workspace: Path, say: Callable[[str], None]) -> None:
    """Bring tracked data up to their pointers (``data.dvc``), fetching what is not in the cache.

    Data that were changed and not recorded are never overwritten: the run goes on with them, and says so.

    Raises
    ------
    DataMissing
        The remote does not hold them, or there is none.
    RemoteUnavailable
        It does not answer.
    """
    pointers = sorted(path.name for path in workspace.glob("*.dvc") if path.is_file())
    if not pointers:
        return
    lines = run_dvc(workspace, ["status", "--json", *pointers], lambda line: None, what="reading the state of the data")
    status = json.loads(next((line for line in lines if line.startswith("{")), "{}"))
    states = {
        pointer: {state for change in changes for state in change.get("changed outs", {}).values()}
        for pointer, changes in status.items()
    }
    for pointer, found in states.items():
        if found <= {"modified", "new"}:
            try:
                run_dvc(workspace, ["checkout", pointer], lambda line: None)
            except StageFailed:
                say(
                    f"the data differ from {pointer} and are not recorded: going on with them as they are "
                    "(`dvc add` records them, `dvc checkout --force` brings the recorded ones back)"
                )
        else:
            _transfer(workspace, ["pull", pointer], say)


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


def _transfer(workspace: Path, arguments: list[str], say: Callable[[str], None]) -> None:
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        say(line)

    try:
        run_dvc(workspace, arguments, hear)
    except StageFailed as error:
        if any(sign.lower() in line.lower() for line in lines for sign in _PERMANENT):
            raise DataMissing(
                f"{error}; see `dvc remote list`, and push the data from where they are with `dvc push`"
            ) from error
        raise RemoteUnavailable(str(error)) from error
