"""DVC's stages: their names from ``dvc.yaml`` in the order of the graph, and each one as a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hilander.pipeline.leftovers import marked_environment
from hilander.pipeline.redaction import Redactor

if TYPE_CHECKING:
    from dvc.repo import Repo

_PERCENT = re.compile(r"(\d{1,3})%\|")
_SUMMARY = "ERROR: failed to reproduce"  # as DVC begins what it says of a stage that failed
_EXITED = re.compile(r", exited with (-?\d+)$", re.MULTILINE)
_UNCHANGED = re.compile(r"Stage '.*' didn't change, skipping|Data and pipelines are up to date")


class StageFailed(RuntimeError):
    """A stage ended with an error; the message names the stage and what it said last."""


def stage_names(workspace: Path) -> list[str]:
    """Return the names of all stages, each after those that it depends on.

    Raises
    ------
    FileNotFoundError
        No ``dvc.yaml`` there.
    ValueError
        DVC cannot read the pipeline.
    """
    if not (workspace / "dvc.yaml").is_file():
        raise FileNotFoundError(f"expected the pipeline in {workspace / 'dvc.yaml'}, found no such file")
    import networkx

    with _repository(workspace, f"read {workspace / 'dvc.yaml'}") as repo:
        graph = repo.index.graph  # from each stage to what it depends on
        order = list(graph.nodes)  # as they stand in dvc.yaml, which decides where the graph does not
        by_dependency = networkx.lexicographical_topological_sort(graph.reverse(), key=order.index)
        return [stage.name for stage in by_dependency if stage.path_in_repo == "dvc.yaml"]


def outdated_stages(workspace: Path, *, or_always_run: bool = True) -> set[str]:
    """Return the stages that `dvc status` names: all the others are up to date as long as none of these has run.

    Asked once, this spares a run with nothing to do the start of one process a stage.

    Parameters
    ----------
    workspace : Path
        Folder of ``dvc.yaml``.
    or_always_run : bool
        Count those that are out of date by nature too: without dependencies, or ``always_changed``.

    Raises
    ------
    ValueError
        DVC cannot read the pipeline.
    """
    with _repository(workspace, f"tell what is out of date in {workspace}") as repo:
        # A stage is named alone from its folder, and as path/dvc.yaml:name from elsewhere.
        return {
            address.rpartition(":")[2]
            for address, changes in repo.status().items()
            if or_always_run or changes != ["always changed"]
        }


def paths_read(workspace: Path) -> set[Path]:
    """Return the files and folders below `workspace` that a stage of ``dvc.yaml`` depends on.

    Raises
    ------
    ValueError
        DVC cannot read the pipeline.
    """
    with _repository(workspace, f"read {workspace / 'dvc.yaml'}") as repo:
        read = [Path(dep.fs_path) for stage in repo.index.stages if stage.cmd for dep in stage.deps]
        return {path.relative_to(repo.root_dir) for path in read if path.is_relative_to(repo.root_dir)}


@contextlib.contextmanager
def _repository(workspace: Path, aim: str) -> Iterator[Repo]:
    """Open DVC's view of a workspace; ValueError says what DVC cannot do there."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(workspace)) as repo:
            yield repo
    except DvcException as error:
        raise ValueError(f"DVC cannot {aim}: {error}") from error


def run_stage(
    workspace: Path,
    name: str,
    on_line: Callable[[str], None],
    on_progress: Callable[[float], None] = lambda percent: None,
    time_limit: float | None = None,
) -> bool:
    """Run one stage where DVC finds it out of date, and hand on what it prints as it comes.

    Parameters
    ----------
    workspace : Path
        Folder of ``dvc.yaml``.
    name : str
        Stage.
    on_line : callable
        Gets every line but progress bars, without secrets.
    on_progress : callable
        Gets the percentage that a progress bar shows, whenever it changes.
    time_limit : float, optional
        Seconds after which the stage is ended.

    Returns
    -------
    bool
        False where nothing was to be done.

    Raises
    ------
    StageFailed
        The stage, or DVC itself, ended with an error, or ran longer than the limit.
    """
    arguments = ["repro", "--single-item", name]
    lines = run_dvc(workspace, arguments, on_line, on_progress, time_limit, stage=name)
    return not any(_UNCHANGED.match(line) for line in lines)


def run_dvc(
    workspace: Path,
    arguments: list[str],
    on_line: Callable[[str], None],
    on_progress: Callable[[float], None] = lambda percent: None,
    time_limit: float | None = None,
    what: str | None = None,
    stage: str | None = None,
) -> list[str]:
    """Run ``dvc`` in a process group of its own, which ends with this call, come what may; return what it printed."""
    redact = Redactor(workspace)
    what = what or (f"stage '{stage}'" if stage else f"dvc {arguments[0]}")
    lines: list[str] = []
    percent = -1.0
    overdue = threading.Event()
    with marked_environment(workspace) as mark:
        # Not DVC's Python API, which prints past every log; in a group, since DVC leaves its stages behind as it dies.
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=workspace,
            env=_environment() | mark,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
            start_new_session=True,
        )
        assert process.stdout is not None

        def end_in_time() -> None:
            try:
                process.wait(time_limit)
            except subprocess.TimeoutExpired:
                overdue.set()
            _end_group(process)  # also what a stage left in the background, which holds our end of the pipe open

        threading.Thread(target=end_in_time, daemon=True).start()
        try:
            for raw in process.stdout:  # universal newlines: each step of a progress bar is a line
                line = raw.rstrip()
                shown = _PERCENT.search(line)
                if shown:
                    if float(shown[1]) != percent:
                        percent = float(shown[1])
                        on_progress(percent)
                elif line and not line.startswith("\x1b[A"):
                    lines.append(redact(line))
                    on_line(lines[-1])
            code = process.wait()
        finally:
            _end_group(process)
            process.stdout.close()
    if overdue.is_set():
        raise StageFailed(f"{what} ran longer than its limit of {time_limit:.0f} s and was ended")
    if code != 0:
        raise StageFailed(f"{what} {_how_it_ended(lines, code)}: {_last_words(lines, stage)}")
    return lines


def _environment() -> dict[str, str]:
    """The stages' `python` must be this one, whatever shell or worker started us."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    off = {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "GX_ANALYTICS_ENABLED": "false", "PYTHONUNBUFFERED": "1"}
    return os.environ | off | {"PATH": path}


def _end_group(process: subprocess.Popen[str]) -> None:
    """Leave nothing behind that still writes."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _how_it_ended(lines: list[str], code: int) -> str:
    """Whether the stage was killed, of which its last words know nothing, and DVC's own exit code neither."""
    summary = "\n".join(lines).rpartition(_SUMMARY)[2]
    exited = [int(found) for found in _EXITED.findall(summary)]
    number = (-exited[-1] if exited[-1] < 0 else exited[-1] - 128) if exited else 0  # 137 where a shell stood between
    if number not in list(signal.Signals):  # those with a name
        return f"failed with exit code {code}"
    name = signal.Signals(number).name
    return f"was killed ({name}{', as where memory runs out' if name == 'SIGKILL' else ''}); it said last"


def _last_words(lines: list[str], stage: str | None) -> str:
    """What the stage said before DVC's own summary of the failure: all of its error, or else its last line."""
    frame = (
        _SUMMARY,
        "Running stage",
        "> ",
        "Is your cache up to date?",
        "<https://error.dvc.org",
        "Having any troubles?",
    )
    own = [line for line in lines if not line.startswith(frame)]
    for start in reversed(range(len(own))):
        if own[start].startswith(f"{stage}: "):  # as every stage of ours begins its error
            return "\n".join(own[start:]).removeprefix(f"{stage}: ")
    if own:
        return own[-1]
    of_dvc = [line for line in lines if line.startswith(_SUMMARY)]  # such as a dependency that is missing
    return of_dvc[-1].removeprefix("ERROR: ") if of_dvc else "it printed nothing"
