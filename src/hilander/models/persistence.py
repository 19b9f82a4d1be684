"""Models of clustering in model folders."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hilander.model_folder import ModelFolderError, read_model_folder, write_model_folder
from hilander.models.clustering_model import ClusteringModel, ClusteringSettings
from hilander.models.model_card import write_card
from hilander.models.registry import MODELS
from hilander.typed_mapping import from_mapping

FORMAT = "hilander-model/1"
WEIGHTS = "model.safetensors"
_KEYS = {"variant", "n_features", "settings", "architecture", "provenance"}


def save_model(model: ClusteringModel, folder: str | Path) -> Path:
    """Write config.json, model.safetensors and a card; an existing model is replaced once the new one is whole.

    Parameters
    ----------
    model : ClusteringModel
    folder : str or Path

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ModelFolderError
        The folder holds other files, or another kind of model, or is the current folder or a disk of its own.
    """
    network = model.network()
    tensors = {} if network is None else {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    config = {
        "variant": model.variant,
        "n_features": model.n_features,
        "settings": asdict(model.settings),
        "architecture": model.architecture(),
        "provenance": model.provenance,
    }
    return write_model_folder(
        folder, FORMAT, config, lambda path: save_file(tensors, path / WEIGHTS), lambda files: write_card(config)
    )


def load_model(folder: str | Path, *, device: str = "auto") -> ClusteringModel:
    """Read a model folder. Nothing in it is executed: the weights are safetensors, all else is JSON.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ModelFolderError
        A file is missing or altered, or the parts do not fit together.
    """
    config = read_model_folder(folder, FORMAT, _KEYS)
    if WEIGHTS not in config["files"]:
        raise ModelFolderError(f"model folder {folder} names no {WEIGHTS}, whose digest would be checked; train again")
    if not isinstance(config["variant"], str) or config["variant"] not in MODELS:
        raise ModelFolderError(f"{folder} holds variant {config['variant']!r}; known: {', '.join(MODELS)}")
    width = config["n_features"]
    if not isinstance(config["provenance"], dict) or not (width is None or isinstance(width, int)):
        raise ModelFolderError(f"model folder {folder} was altered: provenance or n_features is of another kind")
    try:
        model = MODELS[config["variant"]].build(
            config["architecture"],
            settings=from_mapping(ClusteringSettings, config["settings"], where="settings"),
            n_features=config["n_features"],
            provenance=config["provenance"],
            device=device,
        )
        network = model.network()
        if network is not None:
            network.load_state_dict(load_file(Path(folder) / WEIGHTS))
            network.eval()
    except (ValueError, KeyError, TypeError, RuntimeError, OSError, SafetensorError) as error:
        raise ModelFolderError(f"model folder {folder} does not fit together: {error}") from error
    return model
