"""Credentials out of everything that is logged: what DVC's local configuration and the environment keep secret."""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path

from hilander.batch.redaction import HIDDEN, redact

_SECRET_NAME = re.compile(
    r"secret|token(?!iz)|passw|passphrase|credential|private|sas|auth_?string|connection_?string"
    r"|(api|access|account|customer)_?key",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    r"""(?ix) ( (?: secret | token | passw(?:or)?d | passphrase | authorization
                  | (?:api|access|account|secret) [_-]? key (?:[_-]?id)? )
                ["']? \s* [=:] \s* (?: (?:bearer|basic) \s+ )? )
              (?: "[^"]*" | '[^']*' | [^\s,;'"]+ )"""
)
_SHORTEST = 6  # characters: shorter values would black out ordinary words


class Redactor:
    """Maps a line to itself without secrets.

    Hidden are: values of DVC's settings and of environment variables whose name says that they are secret; what
    `hilander.batch.redact` hides in URLs; whatever is assigned to a secret name.

    Parameters
    ----------
    workspace : Path
        Its ``.dvc/config`` and ``.dvc/config.local`` are read, as are the user's and the system's.

    Examples
    --------
    >>> Redactor(Path("."))("failed to connect to https://me:hunter22@host/path?X-Amz-Signature=abcdef")
    'failed to connect to https://•••@host/path?X-Amz-Signature=•••'
    """

    def __init__(self, workspace: Path) -> None:
        from dvc.dirs import global_config_dir, system_config_dir

        values = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
        places = (system_config_dir(), global_config_dir(), workspace / ".dvc")
        for file in (Path(place) / name for place in places for name in ("config", "config.local")):
            settings = configparser.RawConfigParser(strict=False)
            try:
                settings.read(file, encoding="utf-8")
            except (configparser.Error, UnicodeDecodeError):
                continue  # DVC will say what is wrong with it
            for section in settings.sections():
                values += [value for name, value in settings.items(section) if _SECRET_NAME.search(name)]
        known = sorted({part.strip("'\" ") for value in values for part in value.splitlines()}, key=len, reverse=True)
        self._known = [value for value in known if len(value) >= _SHORTEST]

    def __call__(self, line: str) -> str:
        """Return `line` with every secret replaced."""
        for value in self._known:
            line = line.replace(value, HIDDEN)
        return _ASSIGNED.sub(rf"\1{HIDDEN}", redact(line))
