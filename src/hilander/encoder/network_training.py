"""Train one network as a classifier with a margin softmax on labelled images, and keep its encoder."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from hilander.config import EncoderParams
from hilander.data.dataset import as_names
from hilander.data.splits import split_classes
from hilander.embeddings import check_labels
from hilander.encoder.checkpoint import Checkpoint, fingerprint
from hilander.encoder.images import ImageSequence, prepare_images
from hilander.encoder.torch_encoder import TorchEncoder
from hilander.encoder.training_run import EpochRecord, TrainingRun
from hilander.metrics import one_nn_accuracy


def train_network(
    images: ImageSequence,
    labels: ArrayLike,
    params: EncoderParams,
    *,
    start_from: TorchEncoder | None = None,
    checkpoint_folder: str | Path | None = None,
    show_progress: bool = False,
) -> tuple[TorchEncoder, list[EpochRecord]]:
    """Train the one network that `params` describe; see `hilander.encoder.train_encoder`, which calls this."""
    classes = check_labels(labels, len(images))
    n_classes = len(np.unique(classes))
    held_out = np.zeros(len(classes), dtype=bool)
    if params.held_out_share > 0 and n_classes > 1:
        held_out = split_classes(as_names(labels, "labels", len(classes)), params.held_out_share, params.seed)
    n_held_out = len(np.unique(classes[held_out]))
    if n_classes - n_held_out < 2:
        lower = ", or set encoder.held_out_share lower or to 0" if n_classes > 1 else ""
        raise ValueError(
            f"expected at least 2 classes to train on; got {n_classes - n_held_out}, and {n_held_out} held out. Add "
            f"labelled classes{lower}"
        )
    prepared = prepare_images(images, params.image_size, params.color == "rgb", show_progress)
    weights = () if start_from is None else start_from.network.state_dict().values()
    # Which classes are held out depends on their names too, of which `classes` tells the order alone.
    decisive = (torch.from_numpy(classes), torch.from_numpy(held_out), *weights)
    checkpoint = Checkpoint(checkpoint_folder, fingerprint(params, prepared, *decisive))
    with torch.random.fork_rng():  # the caller's random numbers are not touched
        learned_from = np.unique(classes[~held_out], return_inverse=True)[1]
        run = TrainingRun(prepared[~held_out], learned_from, params, start_from)
        run.restore(checkpoint.read())
        n_seen = len(run.history) * run.images_per_epoch
        total = params.epochs * run.images_per_epoch
        bar = tqdm(desc="training the encoder", unit="image", total=total, initial=n_seen, disable=not show_progress)
        with bar as progress:
            while len(run.history) < params.epochs:
                started = time.perf_counter()
                loss = run.train_epoch(progress)
                score = float("nan")
                if _tell_epochs_apart(classes[held_out]):
                    score = one_nn_accuracy(run.encoder.encode_prepared(prepared[held_out]), classes[held_out])
                run.keep(EpochRecord(len(run.history) + 1, loss, score, time.perf_counter() - started))
                progress.set_postfix(loss=f"{loss:.2f}", held_out_one_nn=f"{score:.4f}")
                checkpoint.write(run.state())
    return run.chosen(), run.history


def _tell_epochs_apart(held_out: NDArray[np.int64]) -> bool:
    """Whether the 1-NN accuracy hangs on the embeddings: of one class it is 1, of classes of one item each it is 0."""
    sizes = np.unique(held_out, return_counts=True)[1]
    return len(sizes) > 1 and bool(sizes.max() > 1)
