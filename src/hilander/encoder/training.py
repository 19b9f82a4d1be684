"""From labelled images to the encoder that `EncoderParams` describe: one network, or several side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilander.config import EncoderParams
from hilander.encoder.base import Encoder
from hilander.encoder.check_params import check_encoder_params
from hilander.encoder.ensemble_encoder import EnsembleEncoder
from hilander.encoder.images import ImageSequence, show_colors
from hilander.encoder.network_training import train_network
from hilander.encoder.torch_encoder import TorchEncoder
from hilander.encoder.training_run import EpochRecord
from hilander.whitening import Whitening


def train_encoder(
    images: ImageSequence,
    labels: ArrayLike,
    params: EncoderParams,
    *,
    start_from: Encoder | None = None,
    checkpoint_folder: str | Path | None = None,
    show_progress: bool = False,
) -> tuple[Encoder, list[EpochRecord]]:
    """Learn to tell the classes apart, on a part of them; the rest of them, never trained on, choose the epoch.

    On one machine's CPU the same input gives the same weights, interrupted and resumed or not.

    Parameters
    ----------
    images : sequence of PIL.Image.Image, length n
        Read once a network; the small ones are held in memory (image_size² bytes each, three times that in colour).
    labels : (n,)
        Class of each image.
    params : EncoderParams
        ``name`` is ``resnet`` or ``conv``; ``ensemble`` asks for several networks, ``whitening`` for within-class
        whitening, which is learned from all of `images`.
    start_from : Encoder, optional
        One that was trained with the same networks: its weights are what the training begins with, so that fewer epochs
        at a lower rate are enough. It is left as it is.
    checkpoint_folder : str or Path, optional
        State is kept here after every epoch, and picked up by the next call with the same data and parameters.
    show_progress : bool
        Draw progress bars.

    Returns
    -------
    encoder : Encoder
        A `TorchEncoder`, or an `EnsembleEncoder` where an ensemble or whitening is asked for. Each network is that of
        the epoch with the highest 1-NN accuracy on the held-out classes, the later one of equals; of the last epoch
        where ``held_out_share`` is 0, or so few are held out that their accuracy tells nothing.
    history : list of EpochRecord
        One per epoch; those of several networks are numbered on.

    Raises
    ------
    ValueError
        A parameter out of its range, labels of another length or missing, fewer than two classes left to train on, an
        unknown network, loss or precision, networks to start from that are not those of `params`, or a training that
        diverges.
    ImportError
        The extra ``encoder`` is not installed.
    """
    networks, history = train_networks(
        images,
        labels,
        params,
        start_from=start_from,
        checkpoint_folder=checkpoint_folder,
        show_progress=show_progress,
    )
    if params.whitening is None:
        return combine(networks, params), history
    embeddings = [network.encode(images, show_progress=show_progress) for network in networks]
    return combine(networks, params, embeddings, labels), history


def train_networks(
    images: ImageSequence,
    labels: ArrayLike,
    params: EncoderParams,
    *,
    start_from: Encoder | None = None,
    checkpoint_folder: str | Path | None = None,
    show_progress: bool = False,
) -> tuple[list[TorchEncoder], list[EpochRecord]]:
    """Train the networks that `train_encoder` makes an encoder of, and takes the same arguments for."""
    check_encoder_params(params)
    starts: Sequence[TorchEncoder | None] = [None] * len(params.networks())
    if start_from is not None:
        starts, params = networks_to_start_from(start_from, params)
    if params.color == "auto":
        params = dataclasses.replace(params, color="rgb" if show_colors(images) else "grey")
    networks: list[TorchEncoder] = []
    history: list[EpochRecord] = []
    for i, (own, start) in enumerate(zip(params.networks(), starts, strict=True)):
        folder = None if checkpoint_folder is None else Path(checkpoint_folder) / f"network_{i}"
        network, records = train_network(
            images, labels, own, start_from=start, checkpoint_folder=folder, show_progress=show_progress
        )
        networks.append(network)
        history += [dataclasses.replace(record, epoch=len(history) + j) for j, record in enumerate(records, start=1)]
    return networks, history


def combine(
    networks: Sequence[TorchEncoder],
    params: EncoderParams,
    embeddings: Sequence[NDArray[np.float32]] = (),
    labels: ArrayLike = (),
) -> Encoder:
    """Make an encoder of trained networks: one alone, or several side by side, each whitened if `params` ask for it.

    Parameters
    ----------
    networks : sequence of TorchEncoder
    params : EncoderParams
    embeddings : sequence of (n, d) float32
        What each network made of labelled images, which whitening is learned from.
    labels : (n,)
        Classes of these.
    """
    if params.whitening is not None:
        whitenings = [Whitening.fit(own, labels, params.whitening) for own in embeddings]
        return EnsembleEncoder(networks, whitenings)
    return EnsembleEncoder(networks) if params.ensemble else networks[0]


def networks_to_start_from(encoder: Encoder, params: EncoderParams) -> tuple[list[TorchEncoder], EncoderParams]:
    """Return the networks of an encoder that `train_encoder` made, and `params` with the colours that it reads.

    Raises
    ------
    ValueError
        The encoder was not trained here, or `params` describe other networks.
    """
    members = encoder.members if isinstance(encoder, EnsembleEncoder) else (encoder,)
    networks = [member for member in members if isinstance(member, TorchEncoder)]
    if len(networks) < len(members):
        raise ValueError(
            f"only encoders that were trained here (resnet, conv) can be trained further, not {encoder!r}; leave that "
            "one as it is"
        )
    if params.color == "auto":
        params = dataclasses.replace(params, color="rgb" if networks[0].color else "grey")
    described = [
        _told(own.name, own.image_size, own.width, own.embedding_size, own.color == "rgb") for own in params.networks()
    ]
    theirs = [_told(own.network_name, own.image_size, own.width, own.embedding_size, own.color) for own in networks]
    if theirs != described:
        raise ValueError(
            f"expected the parameters that the encoder was trained with, but it is {', '.join(theirs)}, and they "
            f"describe {', '.join(described)}"
        )
    return networks, params


def _told(name: str, image_size: int, width: int, embedding_size: int, color: bool) -> str:
    colors = "rgb" if color else "grey"
    return f"{name} (image_size {image_size}, width {width}, embedding_size {embedding_size}, {colors})"
