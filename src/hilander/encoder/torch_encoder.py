"""The encoder that hilander trains: a small network on grey or coloured images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from hilander.encoder.base import Encoder
from hilander.encoder.images import prepare_images
from hilander.encoder.networks import ConvNet, ResNet
from hilander.encoder.views import views
from hilander.model_folder import ModelFolderError
from hilander.nn.device import resolve_device

NETWORKS: dict[str, type[ConvNet] | type[ResNet]] = {"resnet": ResNet, "conv": ConvNet}


class TorchEncoder(Encoder):
    """A `ResNet` or `ConvNet` and the size of the images it reads.

    Parameters
    ----------
    network : str
        ``resnet`` or ``conv``.
    image_size : int
        Images are resized to this many pixels a side; ``conv`` asks for 16 or more.
    width : int
        Channels of the first layer.
    embedding_size : int
        Width of the embeddings.
    average_views : bool
        Whether an embedding is the mean over an image and four copies, slightly turned and scaled (`views`).
    device : str
        Where it runs: ``auto``, ``cpu``, ``cuda``, …
    color : bool
        Whether it reads colours, else grey.
    """

    name: ClassVar[str] = "torch"

    def __init__(
        self,
        network: str,
        image_size: int,
        width: int,
        embedding_size: int,
        average_views: bool = False,
        device: str = "auto",
        color: bool = False,
    ) -> None:
        if network not in NETWORKS:
            raise ValueError(f"unknown network '{network}'; known: {', '.join(NETWORKS)}")
        self.network_name = network
        self.image_size = image_size
        self.width = width
        self.embedding_size = embedding_size
        self.color = color
        self.average_views = average_views
        self.device = resolve_device(device)
        # Channels last is what CPU convolutions are fast in: 1.5 to 2 times.
        self.network = nn.utils.convert_conv2d_weight_memory_format(
            NETWORKS[network](image_size, width, embedding_size, 3 if color else 1).to(self.device).eval(),
            torch.channels_last,
        )

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any], device: str) -> TorchEncoder:
        """Read the encoder that `save` wrote; of `config` the form has been checked, not what the settings say."""
        try:
            encoder = cls(**config["settings"], embedding_size=config["embedding_size"], device=device)
            encoder.network.load_state_dict(load_file(folder / "model.safetensors"))
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelFolderError(f"encoder folder {folder} does not fit together: {error}") from error
        return encoder

    def encode_prepared(self, images: Tensor, batch_size: int = 256) -> NDArray[np.float32]:
        """Return the L2-normalised embeddings of prepared images, (n, c, image_size, image_size) uint8."""
        training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            embeddings = [self._embed(to_input(batch, self.device)) for batch in images.split(batch_size)]
        self.network.train(training)
        return torch.cat(embeddings).cpu().numpy()

    def _embed(self, images: Tensor) -> Tensor:
        if not self.average_views:
            return F.normalize(self.network(images))
        return F.normalize(torch.stack([F.normalize(self.network(view)) for view in views(images)]).sum(dim=0))

    def _encode_batch(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        return self.encode_prepared(prepare_images(images, self.image_size, self.color), len(images))

    def _settings(self) -> dict[str, Any]:
        return {
            "network": self.network_name,
            "image_size": self.image_size,
            "width": self.width,
            "average_views": self.average_views,
            "color": self.color,
        }

    def _write_weights(self, folder: Path) -> None:
        weights = {key: value.contiguous().cpu() for key, value in self.network.state_dict().items()}
        save_file(weights, folder / "model.safetensors")


def to_input(images: Tensor, device: torch.device) -> Tensor:
    """Return uint8 images as the networks read them: float32 from 0 to 1, channels last."""
    return images.to(device, torch.float32).div_(255).contiguous(memory_format=torch.channels_last)
