"""Model folders: config.json, model.safetensors and a card, written whole and checked when read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hilander.atomic_write import atomic_folder
from hilander.config import ConfigError, from_mapping
from hilander.models.model_card import write_card
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings
from hilander.models.registry import MODELS

FORMAT = "hilander-model"
FORMAT_VERSION = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


class ModelFolderError(ValueError):
    """A model folder is incomplete, altered, or of another format."""


def save_model(model: ClusteringModel, folder: str | Path) -> Path:
    """Write a model folder; an existing one is replaced only once the new one is whole.

    Parameters
    ----------
    model : ClusteringModel
    folder : str or Path

    Returns
    -------
    Path
        The folder.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()) and not (folder / CONFIG).exists():
        raise ModelFolderError(f"{folder} holds files but no model; choose a new or empty folder")
    with atomic_folder(folder) as temporary:
        network = model.network()
        tensors = {} if network is None else {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
        save_file(tensors, temporary / WEIGHTS)
        config = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "variant": model.variant,
            "n_features": model.n_features,
            "settings": asdict(model.settings),
            "architecture": model.architecture(),
            "provenance": model.provenance,
            "sha256": _digest(temporary / WEIGHTS),
        }
        (temporary / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (temporary / CARD).write_text(write_card(config), encoding="utf-8")
    return folder


def load_model(folder: str | Path, *, device: str = "auto") -> ClusteringModel:
    """Read a model folder.

    Nothing in it is executed: the weights are safetensors, all else is JSON.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ModelFolderError
        A file is missing, its digest differs from the one in config.json, or the format is unknown.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a model folder at {folder}, found none; train one with `hilander train`")
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelFolderError(f"model folder {folder} lacks {name}; copy the whole folder, or train again")
    config = _read_config(folder)
    found = _digest(folder / WEIGHTS)
    if found != config["sha256"]:
        raise ModelFolderError(
            f"{folder / WEIGHTS} was altered or damaged: its SHA-256 is {found[:12]}…, {CONFIG} says "
            f"{str(config['sha256'])[:12]}…; copy the folder again, or train again"
        )
    try:
        model = MODELS[config["variant"]].build(
            config["architecture"],
            settings=from_mapping(ClusteringSettings, config["settings"], where=f"{folder / CONFIG}: settings"),
            n_features=config["n_features"],
            provenance=config["provenance"],
            device=device,
        )
        network = model.network()
        if network is not None:
            network.load_state_dict(load_file(folder / WEIGHTS))
            network.eval()
    except (ConfigError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelFolderError(f"model folder {folder} does not fit together: {error}") from error
    return model


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelFolderError(f"{folder / CONFIG} is not valid JSON: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelFolderError(f"{folder / CONFIG} is not the configuration of a hilander model")
    if config.get("format_version") != FORMAT_VERSION:
        raise ModelFolderError(
            f"{folder} has format version {config.get('format_version')}, this hilander reads {FORMAT_VERSION}; "
            "load it with the version of hilander that wrote it"
        )
    missing = {"variant", "n_features", "settings", "architecture", "provenance", "sha256"} - config.keys()
    if missing:
        raise ModelFolderError(f"{folder / CONFIG} lacks {', '.join(sorted(missing))}")
    if config["variant"] not in MODELS:
        raise ModelFolderError(f"{folder} holds variant {config['variant']!r}; known: {', '.join(MODELS)}")
    return config


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
