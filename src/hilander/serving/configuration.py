"""What the service may do, and for whom: ``serving.yaml``, typed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from hilander.allowed_values import Count, CountOrNone, Days, Seconds, WholeSeconds, check_values
from hilander.typed_mapping import ConfigError, from_mapping, read_yaml

CONFIGURATION_VARIABLE = "HILANDER_SERVING_CONFIG"
MODELS_VARIABLE = "HILANDER_MODELS"
DEFAULT_PATH = Path("serving.yaml")


@dataclass(frozen=True)
class Limits:
    """The most that one request, and all requests of one worker together, may ask for."""

    max_rows: Count = 200_000
    max_width: Count = 4_096
    max_rows_at_once: Count = 20_000  # a larger /cluster becomes a task
    max_bytes: Count = 256 * 2**20  # of a body
    max_json_bytes: Count = 16 * 2**20  # of a JSON body, and of pairs as JSON, which take ten times the size in memory
    max_pairs: CountOrNone = 200_000  # of must_link, and of cannot_link
    max_images: Count = 10_000
    max_images_at_once: Count = 1_000  # more to /cluster_images become a task
    max_image_pixels: Count = 25_000_000
    max_upload_seconds: Seconds = 60.0
    max_seconds: Seconds = 50.0  # from the end of the upload to the answer
    max_running: Count = 1  # at once in each worker; a call uses the cores that there are
    max_waiting: CountOrNone = 16  # what comes on top is answered 429 at once
    max_bytes_in_flight: Count = 512 * 2**20  # bodies of all requests of a worker together


@dataclass(frozen=True)
class Tasks:
    """Long jobs, which run in processes of their own."""

    folder: str = ".hilander-tasks"  # shared by the workers of one machine
    max_running: Count = 1
    max_waiting: CountOrNone = 8
    max_seconds: WholeSeconds = 3_600
    keep_seconds: WholeSeconds = 86_400  # a result is deleted after so long


@dataclass(frozen=True)
class Token:
    """One caller who is let in."""

    name: str
    sha256: str  # of the token, which itself is written nowhere


@dataclass(frozen=True)
class Security:
    """Who may call."""

    tokens: tuple[Token, ...] = ()  # read anew when the file changes: taking one out revokes it
    open_on_loopback: bool = False  # True lets callers on this machine in without a token


@dataclass(frozen=True)
class Capture:
    """Where incoming embeddings are kept for drift monitoring; see `hilander.monitoring.capture`."""

    enabled: bool = True
    url: str = "captures"  # a folder, or any fsspec URL
    max_rows_per_part: Count = 50_000
    max_seconds_per_part: Seconds = 60.0
    max_bytes: Count = 2 * 2**30
    max_age_days: Days = 30.0
    queue_rows: Count = 200_000


@dataclass(frozen=True)
class ServingConfig:
    """All of ``serving.yaml``."""

    models: str = "models"  # folder of releases
    reload_seconds: Seconds = 2.0  # how often the release in service is looked up
    limits: Limits = field(default_factory=Limits)
    tasks: Tasks = field(default_factory=Tasks)
    security: Security = field(default_factory=Security)
    capture: Capture = field(default_factory=Capture)


def configuration_path() -> Path:
    """Return the file that ``HILANDER_SERVING_CONFIG`` names, or ``serving.yaml`` here."""
    return Path(os.environ.get(CONFIGURATION_VARIABLE) or DEFAULT_PATH)


def complete_variables() -> None:
    """Make the paths that environment variables name absolute, for processes that will work in another folder."""
    for variable in (CONFIGURATION_VARIABLE, MODELS_VARIABLE):
        if path := os.environ.get(variable):
            os.environ[variable] = str(Path(path).absolute())


def load_configuration(path: str | Path | None = None) -> ServingConfig:
    """Read the configuration; the variable ``HILANDER_MODELS`` goes before its ``models``.

    Relative paths in the file depart from the folder that it lies in.

    Parameters
    ----------
    path : str or Path, optional
        By default `configuration_path`; where that was not named and does not exist, the defaults hold, which let
        nobody in.

    Raises
    ------
    FileNotFoundError
        The file that was named does not exist.
    ConfigError
        The file is not YAML, or holds a key twice, a key or value that the service does not know, or a number out of
        its range.
    """
    named = path is not None or bool(os.environ.get(CONFIGURATION_VARIABLE))
    path = Path(path) if path is not None else configuration_path()
    if path.is_file():
        configuration = from_mapping(ServingConfig, read_yaml(path), where=str(path))
    elif named:
        raise FileNotFoundError(
            f"expected the service's configuration in {path.absolute()}, found no such file; "
            f"{CONFIGURATION_VARIABLE} must name it, best by an absolute path"
        )
    else:
        configuration = ServingConfig()
    check_values(configuration, f"{path}: ")
    for token in configuration.security.tokens:
        if len(token.sha256) != 64 or set(token.sha256) - set("0123456789abcdef"):
            raise ConfigError(
                f"{path}: the sha256 of token {token.name!r} must be 64 hexadecimal digits; "
                "`python -m hilander.serving.tokens NAME` makes one"
            )
    return _located(configuration, path.absolute().parent)


def _located(configuration: ServingConfig, folder: Path) -> ServingConfig:
    """Let relative paths depart from `folder`, wherever the process works: a Bento's workers do so inside of it."""

    def locate(path: str) -> str:
        return path if "://" in path else str(folder / Path(path).expanduser())

    return replace(
        configuration,
        models=os.environ.get(MODELS_VARIABLE) or locate(configuration.models),
        tasks=replace(configuration.tasks, folder=locate(configuration.tasks.folder)),
        capture=replace(configuration.capture, url=locate(configuration.capture.url)),
    )
