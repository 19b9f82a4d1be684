"""Read an encoder of any kind from its model folder."""

from __future__ import annotations

from pathlib import Path

from hilander.encoder.base import Encoder
from hilander.encoder.encoder_folder import read_encoder_folder
from hilander.encoder.ensemble_encoder import EnsembleEncoder
from hilander.encoder.huggingface_encoder import HuggingFaceEncoder
from hilander.encoder.identity_encoder import IdentityEncoder
from hilander.encoder.onnx_encoder import OnnxEncoder
from hilander.encoder.torch_encoder import TorchEncoder
from hilander.model_folder import ModelFolderError

_LOADERS = {encoder.name: encoder.load for encoder in (TorchEncoder, OnnxEncoder, HuggingFaceEncoder, IdentityEncoder)}


def load_encoder(folder: str | Path, device: str = "auto") -> Encoder:
    """Read the encoder that `Encoder.save` wrote into `folder`.

    Raises
    ------
    ModelFolderError
        The folder is no encoder's, or a file of it is missing or altered.
    ImportError
        The encoder needs an extra that is not installed; the message names it.
    """
    folder = Path(folder)
    config = read_encoder_folder(folder)
    if config["name"] == EnsembleEncoder.name:
        members = [load_encoder(member, device) for member in EnsembleEncoder.member_folders(folder, config)]
        return EnsembleEncoder.load(folder, config, members)
    if config["name"] not in _LOADERS:
        raise ModelFolderError(f"{folder} holds an encoder of unknown kind '{config['name']}'; update hilander")
    return _LOADERS[config["name"]](folder, config, device)
