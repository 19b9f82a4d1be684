"""What the service may do, and for whom: ``serving.yaml``, typed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from hilander.typed_mapping import ConfigError, from_mapping

CONFIGURATION_VARIABLE = "HILANDER_SERVING_CONFIG"
MODELS_VARIABLE = "HILANDER_MODELS"
DEFAULT_PATH = Path("serving.yaml")


@dataclass(frozen=True)
class Limits:
    """The most that one request, and all requests of one worker together, may ask for."""

    max_rows: int = 200_000
    max_width: int = 4_096
    max_rows_at_once: int = 20_000  # a larger /cluster becomes a task
    max_bytes: int = 256 * 2**20  # of a body
    max_json_bytes: int = 16 * 2**20  # of a JSON body, which takes ten times its size in memory
    max_pairs: int = 200_000  # of must_link, and of cannot_link
    max_images: int = 10_000
    max_images_at_once: int = 1_000  # more to /cluster_images become a task
    max_image_pixels: int = 25_000_000
    max_upload_seconds: float = 60.0
    max_seconds: float = 50.0  # from the end of the upload to the answer
    max_running: int = 1  # at once in each worker; a call uses the cores that there are
    max_waiting: int = 16  # what comes on top is answered 429 at once
    max_bytes_in_flight: int = 512 * 2**20  # bodies of all requests of a worker together


@dataclass(frozen=True)
class Tasks:
    """Long jobs, which run in processes of their own."""

    folder: str = ".hilander-tasks"  # shared by the workers of one machine
    max_running: int = 1
    max_waiting: int = 8
    max_seconds: int = 3_600
    keep_seconds: int = 86_400  # a result is deleted after so long


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
    url: str = "captures"  # any fsspec URL
    max_rows_per_part: int = 50_000
    max_seconds_per_part: float = 60.0
    max_bytes: int = 2 * 2**30
    max_age_days: float = 30.0
    queue_rows: int = 200_000


@dataclass(frozen=True)
class ServingConfig:
    """All of ``serving.yaml``."""

    models: str = "models"  # folder of releases
    reload_seconds: float = 2.0  # how often the release in service is looked up
    limits: Limits = field(default_factory=Limits)
    tasks: Tasks = field(default_factory=Tasks)
    security: Security = field(default_factory=Security)
    capture: Capture = field(default_factory=Capture)


def configuration_path() -> Path:
    """Return the file that ``HILANDER_SERVING_CONFIG`` names, or ``serving.yaml`` here."""
    return Path(os.environ.get(CONFIGURATION_VARIABLE) or DEFAULT_PATH)


def load_configuration(path: str | Path | None = None) -> ServingConfig:
    """Read the configuration; the variable ``HILANDER_MODELS`` goes before its ``models``.

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
        The file is not YAML, or holds a key or value that the service does not know.
    """
    named = path is not None or CONFIGURATION_VARIABLE in os.environ
    path = Path(path) if path is not None else configuration_path()
    if path.is_file():
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not valid YAML: {error}") from error
        configuration = from_mapping(ServingConfig, raw, where=str(path))
    elif named:
        raise FileNotFoundError(f"expected the service's configuration in {path}, found no such file")
    else:
        configuration = ServingConfig()
    for token in configuration.security.tokens:
        if len(token.sha256) != 64 or set(token.sha256) - set("0123456789abcdef"):
            raise ConfigError(
                f"{path}: the sha256 of token {token.name!r} must be 64 hexadecimal digits; "
                "`python -m hilander.serving.tokens NAME` makes one"
            )
    models = os.environ.get(MODELS_VARIABLE)
    return replace(configuration, models=models) if models else configuration
