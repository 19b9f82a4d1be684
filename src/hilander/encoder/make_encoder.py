"""From ``params.yaml`` and data to an encoder: trained here, opened, or none needed."""

from __future__ import annotations

from pathlib import Path

from hilander.config import EncoderParams
from hilander.data.dataset import Dataset
from hilander.encoder.base import Encoder
from hilander.encoder.encode_dataset import embeddings_of, images_of
from hilander.encoder.huggingface_encoder import HuggingFaceEncoder
from hilander.encoder.identity_encoder import IdentityEncoder
from hilander.encoder.onnx_encoder import OnnxEncoder
from hilander.encoder.torch_encoder import NETWORKS
from hilander.encoder.training import train_encoder
from hilander.encoder.training_run import EpochRecord

ENCODERS = (*NETWORKS, OnnxEncoder.name, HuggingFaceEncoder.name, IdentityEncoder.name)


def make_encoder(
    dataset: Dataset,
    params: EncoderParams,
    *,
    checkpoint_folder: str | Path | None = None,
    show_progress: bool = False,
) -> tuple[Encoder, list[EpochRecord]]:
    """Return the encoder that `params` describe, and its training history where it was trained.

    Parameters
    ----------
    dataset : Dataset
        Labelled items of the training classes; ``onnx`` and ``huggingface`` read nothing of them.
    params : EncoderParams
        ``name`` decides: ``resnet`` and ``conv`` are trained, ``onnx`` and ``huggingface`` opened at ``path``,
        ``identity`` stands for embeddings that the dataset brings.
    checkpoint_folder, show_progress
        As `train_encoder` takes them.

    Raises
    ------
    ValueError
        An unknown name, images for ``identity``, embeddings for any other; or as `train_encoder` raises.
    FileNotFoundError
        No model at ``params.path``.
    ImportError
        The encoder needs an extra that is not installed; the message names it.
    """
    if params.name not in ENCODERS:
        raise ValueError(f"unknown encoder.name '{params.name}'; known: {', '.join(ENCODERS)}")
    if params.name == IdentityEncoder.name:
        return IdentityEncoder(embeddings_of(dataset).shape[1]), []
    images = images_of(dataset)
    if params.name == OnnxEncoder.name:
        return OnnxEncoder(params.path, params.image_size, params.pixel_mean, params.pixel_std, params.device), []
    if params.name == HuggingFaceEncoder.name:
        return HuggingFaceEncoder(params.path, params.device), []
    if dataset.labels is None:
        raise ValueError("these data have no labels, and an encoder is trained on labelled classes; see docs/data.md")
    return train_encoder(
        images, dataset.labels, params, checkpoint_folder=checkpoint_folder, show_progress=show_progress
    )
