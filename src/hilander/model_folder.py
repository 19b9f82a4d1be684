"""The folder that a trained model is kept in: ``config.json``, weights checked by digest, ``README.md``."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from hilander.atomic_write import atomic_folder

CONFIG, CARD = "config.json", "README.md"


class ModelFolderError(ValueError):
    """A model folder is incomplete, altered, or of another kind; the message names the file and the remedy."""


def write_model_folder(
    folder: str | Path,
    kind: str,
    config: Mapping[str, Any],
    write_weights: Callable[[Path], None],
    card: Callable[[list[str]], str],
) -> Path:
    """Write a model folder so that `folder` is either the old one or the whole new one.

    Parameters
    ----------
    folder : str or Path
    kind : str
        What the folder holds and in which format, as ``hilander-encoder/1``.
    config : mapping
        All that must be known beside the weights, as JSON.
    write_weights : callable
        Writes the weights into the folder that it is given.
    card : callable
        From the names of the weights' files to the Markdown of README.md.

    Raises
    ------
    ModelFolderError
        The folder holds anything but a model of that kind, which is not overwritten, or no other one can take its
        place.
    DiskFullError
        There was no room for it.
    """
    folder = Path(folder)
    check_model_folder(folder, kind)
    with atomic_folder(folder) as temporary:
        try:
            write_weights(temporary)
        except SafetensorError as error:
            found = re.search(r"\(os error (\d+)\)", str(error))  # the only trace of what the system said
            if not found:
                raise
            raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
        files = sorted(path for path in temporary.rglob("*") if path.is_file())
        digests = {path.relative_to(temporary).as_posix(): digest_of(path) for path in files}
        text = json.dumps({"format": kind, **config, "files": digests}, indent=2, default=_as_number)
        (temporary / CONFIG).write_text(text + "\n", encoding="utf-8")
        (temporary / CARD).write_text(card(list(digests)), encoding="utf-8")
    return folder


def check_model_folder(folder: Path, kind: str | None = None) -> None:
    """Raise ModelFolderError where a model cannot take the place of `folder`, or would replace anything but a model.

    Parameters
    ----------
    folder : Path
    kind : str, optional
        Its format, as ``hilander-encoder/1``, of any version; by default what is replaced may be of any kind of ours.
    """
    if folder.exists() and not folder.is_dir():
        raise ModelFolderError(f"{folder} is a file, but a model is a folder; choose another name")
    if not folder.is_dir():
        return
    if held := {path.name for path in folder.iterdir()}:
        _check_replaceable(folder, held, kind)
    if not folder.is_symlink() and (os.path.ismount(folder) or _is_current(folder)):
        raise ModelFolderError(
            f"{folder} is the current folder or a disk of its own, whose place no new folder can take; name one in it, "
            f"as {folder / 'model'}"
        )


def _check_replaceable(folder: Path, held: set[str], kind: str | None) -> None:
    """Raise ModelFolderError where what a folder holds is not a model of that kind alone."""
    config = _config_of(folder)
    wanted, found = _family(kind), _family(config.get("format"))
    if found is None:  # others keep a config.json as well
        raise ModelFolderError(f"{folder} holds files but no model; choose a new or empty folder")
    if wanted not in (None, found):
        raise ModelFolderError(f"{folder} holds a {found}, which a {wanted} would replace; choose another folder")
    files = config.get("files")
    own = {CONFIG, CARD, *(name.split("/")[0] for name in (files if isinstance(files, dict) else {}))}
    if others := sorted(held - own):
        raise ModelFolderError(
            f"{folder} holds a model and {others[0]}, which is no part of it and would be lost; move that, or choose "
            "another folder"
        )


def _is_current(folder: Path) -> bool:
    try:
        return folder.samefile(os.curdir)
    except OSError:  # a current folder that is no longer there
        return False


def _config_of(folder: Path) -> dict[str, Any]:
    """What ``config.json`` holds; nothing where there is none or it cannot be read."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _family(kind: object) -> str | None:
    """The kind without its version; None for what is none of ours."""
    return kind.partition("/")[0] if isinstance(kind, str) and kind.startswith("hilander-") else None


def _as_number(value: object) -> Any:
    """What JSON knows in place of NumPy's numbers, of which parameters may be."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a model folder's configuration holds what JSON does not know: {value!r}")


def read_model_folder(folder: str | Path, kind: str, keys: set[str]) -> dict[str, Any]:
    """Return a model folder's configuration after checking every file of weights against its digest.

    Parameters
    ----------
    folder : str or Path
    kind : str
        The format that is expected.
    keys : set of str
        What the configuration must hold.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ModelFolderError
        A file is missing, altered or not JSON, or the format is another one.
    """
    folder = Path(folder)
    path = folder / CONFIG
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a model folder ({kind}) at {folder}, found none; train one, or name another")
    if not path.is_file():
        raise ModelFolderError(f"model folder {folder} lacks {CONFIG}; copy the whole folder again, or train again")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFolderError(f"{path} is not valid JSON ({error}); copy the folder again, or train again") from error
    if not isinstance(config, dict) or config.get("format") != kind:
        found = config.get("format") if isinstance(config, dict) else None
        raise ModelFolderError(
            f"{path} must be of format {kind!r}, which this version of hilander reads; got {found!r}"
        )
    missing = (keys | {"files"}) - config.keys()
    if missing:
        raise ModelFolderError(f"{path} lacks {', '.join(sorted(missing))}; copy the folder again, or train again")
    if not isinstance(config["files"], dict):
        raise ModelFolderError(f"{path} must list its files by name; it was altered: copy the whole folder again")
    for name, digest in config["files"].items():
        file = folder / name
        # By its name: the file itself may be a link, into DVC's cache or that of a hub.
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ModelFolderError(f"{path} names {name!r}, which lies outside the folder; it was altered")
        if not file.is_file():
            raise ModelFolderError(f"model folder {folder} lacks {name}; copy the whole folder again, or train again")
        if digest_of(file) != digest:
            raise ModelFolderError(
                f"{file} was altered or damaged: its SHA-256 is not the one in {CONFIG}; copy it again, or train again"
            )
    return config


def digest_of(path: Path) -> str:
    """Return the SHA-256 digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
