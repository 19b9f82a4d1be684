"""Small convolutional networks that turn images into embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LAST_SIDE = 5  # stages are added until the map is at most this many positions a side


class ConvNet(nn.Module):
    """Conv-4, the usual small network of few-shot learning: four times convolution, batch norm, ReLU, max-pooling.

    Vinyals et al., *Matching Networks for One Shot Learning*, NeurIPS 2016, section 4.1.

    Parameters
    ----------
    image_size : int
        Height and width of the images, at least 16.
    width : int
        Channels of every layer.
    embedding_size : int
        Width of the embeddings.
    n_channels : int
        Of the images: 1 in grey, 3 in colour.

    **Shapes:** images (b, n_channels, image_size, image_size) float32 -> embeddings (b, embedding_size) float32, not
    normalised.
    """

    def __init__(self, image_size: int, width: int, embedding_size: int, n_channels: int = 1) -> None:
        super().__init__()
        if image_size < 16:
            raise ValueError(
                f"expected images of at least 16 pixels a side, which Conv-4 halves 4 times; got {image_size}"
            )
        blocks = [
            nn.Sequential(_conv(n_in, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2))
            for n_in in (n_channels, width, width, width)
        ]
        self.features = nn.Sequential(*blocks)
        self.embed = _Embed(width * (image_size // 16) ** 2, embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        """Return the embeddings of `images`."""
        return self.embed(self.features(images))


class ResNet(nn.Module):
    """Residual network for small images: a strided stem, then stages that halve the image and double the channels.

    He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016, with one basic block a stage and the average
    pooling of ResNet-D (He et al., *Bag of Tricks*, CVPR 2019, figure 2c) where a stage halves the image. The first
    stage keeps the stem's resolution, the last one ends at 3 to 5 positions a side: images of 32 or 40 pixels get three
    stages, of 48 or 64 pixels four.

    Parameters
    ----------
    image_size : int
        Height and width of the images.
    width : int
        Channels of the first stage.
    embedding_size : int
        Width of the embeddings.
    n_channels : int
        Of the images: 1 in grey, 3 in colour.

    **Shapes:** images (b, n_channels, image_size, image_size) float32 -> embeddings (b, embedding_size) float32, not
    normalised.
    """

    def __init__(self, image_size: int, width: int, embedding_size: int, n_channels: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(n_channels, width, 3, stride=2), nn.BatchNorm2d(width), nn.ReLU())
        stages: list[nn.Module] = [_ResidualBlock(width, width, stride=1)]
        side, channels = _halved(image_size), width
        while side > _LAST_SIDE:
            stages.append(_ResidualBlock(channels, 2 * channels, stride=2))
            side, channels = _halved(side), 2 * channels
        self.stages = nn.Sequential(*stages)
        self.embed = _Embed(channels * side**2, embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        """Return the embeddings of `images`."""
        return self.embed(self.stages(self.stem(images)))


class _ResidualBlock(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            _conv(n_in, n_out, 3, stride),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            _conv(n_out, n_out, 3),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut = (
            nn.Identity()
            if n_in == n_out and stride == 1
            else nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), _conv(n_in, n_out, 1), nn.BatchNorm2d(n_out))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.residual(x) + self.shortcut(x))


class _Embed(nn.Module):
    """Linear map of all positions, then batch norm: the output layer of ArcFace (Deng et al., CVPR 2019, section 3.1).

    Pooling over positions instead would drop where a stroke lies, which is what tells many characters apart.
    """

    def __init__(self, n_in: int, embedding_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, embedding_size, bias=False)
        self.norm = nn.BatchNorm1d(embedding_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.linear(x.flatten(start_dim=1)))


def _conv(n_in: int, n_out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=False)


def _halved(side: int) -> int:
    return (side + 1) // 2  # as a padded convolution of stride 2 does
