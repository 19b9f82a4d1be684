"""Where a command writes to: looked at before any work is done."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

from hilander.data.arrays import labels_beside
from hilander.data.listing import names_url
from hilander.label_files import check_suffix
from hilander.model_folder import check_model_folder


def check_output(path: Path, *inputs: str | Path | None) -> None:
    """Refuse a file that cannot be written, or that the command reads.

    Raises
    ------
    ValueError
        Another suffix than labels have, a folder, one of the inputs, or labels that lie beside one of them.
    OSError
        Nothing can be written there.
    """
    check_suffix(path)
    check_output_file(path, *inputs)
    if path.suffix != ".csv" and not path.stem.endswith("labels"):  # else no data to whoever reads a folder
        check_outside(path, *inputs)


def check_output_file(path: Path, *inputs: str | Path | None) -> None:
    """Refuse a file of any suffix that cannot be written, or that the command reads; raises as `check_output`."""
    if path.is_dir():
        raise ValueError(f"the output must be a file, but {path} is a folder; name a file in it")
    check_not_read(path, *inputs)
    _check_writable(path.parent)


def check_page(path: Path, *inputs: str | Path | None) -> None:
    """Refuse a page that cannot be written, or not be drawn with what is installed.

    Raises
    ------
    ValueError
        No ``.html``, a folder, or one of the inputs.
    OSError
        Nothing can be written there.
    ImportError
        Matplotlib or Jinja2 is not installed.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"a page to look at must end in .html, got {path}")
    check_output_file(path, *inputs)
    if missing := [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]:
        raise ImportError(f"a page to look at needs {' and '.join(missing)}: pip install 'hilander[report]'")


def check_not_read(path: Path, *inputs: str | Path | None) -> None:
    """Raise ValueError where a file to write is one of the inputs."""
    read = [Path(given) for given in inputs if given is not None]
    read += [labels for given in read for labels in _labels_beside(given)]
    if path.exists() and any(given.exists() and path.samefile(given) for given in read):
        raise ValueError(f"{path} is read here, so it would be overwritten; choose another output")


def _labels_beside(given: Path) -> list[Path]:
    """The files that labels of a ``.npy``, or of those in a folder, are read from."""
    files = given.glob("*.npy") if given.is_dir() else [given]
    return [labels for file in files if file.suffix.lower() == ".npy" and (labels := labels_beside(file)) is not None]


def check_outside(path: Path, *inputs: str | Path | None) -> None:
    """Raise ValueError where a file of data would be written into a folder that is read."""
    for given in inputs:
        if given is not None and Path(given).is_dir() and path.resolve().is_relative_to(Path(given).resolve()):
            raise ValueError(f"{path} lies in {given}, and would be read as data the next time; write it elsewhere")


def check_output_folder(folder: Path, kind: str | None = None) -> None:
    """Refuse a folder that no model of this kind can be written to.

    Raises
    ------
    ModelFolderError
        It holds other files, is none, or is the current folder or a disk of its own.
    OSError
        Nothing can be written there.
    """
    check_model_folder(folder, kind)
    _check_writable(folder.parent)


def _check_writable(folder: Path) -> None:
    if names_url(folder):  # else a folder of that name would be made here, and nothing would come to the bucket
        raise ValueError(f"the output must lie on this machine, got the URL {folder.parts[0]}//…; copy it there later")
    if _names_home(folder):  # else a folder ~ would be made here
        raise ValueError(
            f"{folder} begins with {folder.parts[0]}, which the shell writes out after a space, not after =; write the "
            "whole path"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(f"nothing can be written to {folder} ({error.strerror}); choose another output") from error


def _names_home(path: Path) -> bool:
    """Whether a path begins with ``~`` or ``~name`` for a user's home, and not with a folder of that name."""
    try:
        return path.expanduser() != path and not Path(path.parts[0]).exists()
    except RuntimeError:  # no such user
        return False
