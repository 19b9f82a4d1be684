"""Blocks ``encoder`` and ``encode``: images to embeddings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

from hilander.allowed_values import (
    AtLeastTwo,
    Count,
    Distortion,
    NotNegative,
    OneOf,
    Positive,
    Seed,
    ShareBelowOne,
)


@dataclass(frozen=True)
class NetworkParams:
    """What one network of an ensemble does otherwise than its `EncoderParams`; null: the same."""

    image_size: int | None = None
    width: int | None = None
    epochs: int | None = None
    rotate_classes: bool | None = None
    seed: int | None = None  # null: the encoder's plus the place in the list, from 0


@dataclass(frozen=True)
class EncoderParams:
    """Supervised classifier whose encoder turns images into embeddings."""

    # "identity" where embeddings are brought
    name: Annotated[str, OneOf("resnet", "conv", "onnx", "huggingface", "identity")] = "resnet"
    path: str = ""  # onnx: the .onnx file; huggingface: the model folder
    # "auto": rgb where the training images show colours
    color: Annotated[str, OneOf("auto", "grey", "rgb")] = "auto"
    image_size: Count = 32  # pixels a side that images are resized to; onnx: where the file leaves it open
    pixel_mean: tuple[float, ...] = (127.5,)  # onnx: the network reads (pixel - mean) / std, one value or one a channel
    pixel_std: tuple[float, ...] = (127.5,)
    embedding_size: Count = 128
    width: Count = 32  # channels of the first layer
    loss: Annotated[str, OneOf("arcface", "subcenter_arcface", "cosface", "softmax")] = "arcface"
    margin: float | None = None  # null: the loss's usual one; degrees for arcface, cosine for cosface
    scale: Positive = 32.0  # factor on the cosines in the softmax
    epochs: Count = 20
    batch_size: AtLeastTwo = 128
    learning_rate: Positive = 0.003  # the highest of one cycle
    weight_decay: NotNegative = 0.05
    augmentation: Distortion = 1.0  # strength of random distortions; 0 for none
    mirror: bool = False  # mirrored images show the same class
    rotate_classes: bool = False  # quarter turns of a class become classes of their own
    precision: Annotated[str, OneOf("auto", "float32", "bfloat16")] = "auto"  # of the convolutions in training
    held_out_share: ShareBelowOne = 0.1  # of the training classes, which choose the epoch instead; 0: the last epoch
    ensemble: tuple[NetworkParams, ...] = ()  # one block a network, side by side; none: one network
    average_views: bool = False  # embed slightly turned and scaled copies of an image too, and take the mean
    whitening: float | None = None  # shrinkage of the within-class covariance to whiten by, (0, 1]; null: none
    device: str = "auto"
    seed: Seed = 0

    def networks(self) -> tuple[EncoderParams, ...]:
        """Parameters of every network to train, each by itself."""
        alone = dataclasses.replace(self, ensemble=(), whitening=None)
        return tuple(
            dataclasses.replace(alone, **{"seed": self.seed + i} | _given(network))
            for i, network in enumerate(self.ensemble or (NetworkParams(),))
        )


@dataclass(frozen=True)
class EncodeParams:
    """Images to embeddings."""

    batch_size: Count = 256


def _given(block: Any) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(block).items() if value is not None}
