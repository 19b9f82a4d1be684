"""Small convolutional networks that turn grey images into embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNet(nn.Module):
    """Conv-4, the usual small network of few-shot learning: four times convolution, batch norm, ReLU, max-pooling.

    Vinyals et al., *Matching Networks for One Shot Learning*, NeurIPS 2016, section 4.1; a linear layer on the mean
    over positions gives the embedding, so that any image of at least 16 × 16 pixels fits.

    **Shapes:** images (b, 1, height, width) float32 -> embeddings (b, embedding_size) float32, not normalised.
    """

    def __init__(self, width: int, embedding_size: int) -> None:
        super().__init__()
        blocks = [
            nn.Sequential(_conv(1 if i == 0 else width, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2))
            for i in range(4)
        ]
        self.features = nn.Sequential(*blocks)
        self.embed = _Embed(width, embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        """Return the embeddings of `images`."""
        return self.embed(self.features(images))


class ResNet(nn.Module):
    """Residual network for small grey images: a strided stem, then four stages that double the channels.

    He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016, with one basic block a stage and the average
    pooling of ResNet-D (He et al., *Bag of Tricks*, CVPR 2019, figure 2c) where a stage halves the image. The first
    stage keeps the stem's resolution; channels are 1, 2, 4 and 8 times `width`.

    **Shapes:** images (b, 1, height, width) float32 -> embeddings (b, embedding_size) float32, not normalised.
    """

    def __init__(self, width: int, embedding_size: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(1, width, 3, stride=2), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.Sequential(
            _ResidualBlock(width, width, stride=1),
            _ResidualBlock(width, 2 * width, stride=2),
            _ResidualBlock(2 * width, 4 * width, stride=2),
            _ResidualBlock(4 * width, 8 * width, stride=2),
        )
        self.embed = _Embed(8 * width, embedding_size)

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
    """Mean over positions, linear map, and batch norm as in ArcFace's output layer, so that directions are centred."""

    def __init__(self, n_in: int, embedding_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, embedding_size, bias=False)
        self.norm = nn.BatchNorm1d(embedding_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.linear(x.mean(dim=(2, 3))))


def _conv(n_in: int, n_out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=False)
