"""All that changes while an encoder is trained, one epoch at a time, and how it is kept and restored."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from hilander.config import EncoderParams
from hilander.encoder.augmentation import build_augmentation, build_mirror, random_quarter_turns
from hilander.encoder.margin_heads import build_margin_head
from hilander.encoder.precision import use_bfloat16
from hilander.encoder.torch_encoder import TorchEncoder, to_input

logger = logging.getLogger(__name__)

_WARM_UP_SHARE = 0.15  # of the steps, in which the learning rate rises


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch came to.

    Attributes
    ----------
    epoch : int
        From 1.
    loss : float
        Mean over the batches, on augmented images.
    held_out_one_nn : float
        1-NN accuracy among the items of the held-out classes; NaN where it would tell nothing: fewer than two are held
        out, or none of them has two items.
    seconds : float
        Duration.
    """

    epoch: int
    loss: float
    held_out_one_nn: float
    seconds: float


class TrainingRun:
    """Network, decoder, optimizer and history of one training.

    Parameters
    ----------
    images : (n, c, size, size) uint8
        As `prepare_images` returns them.
    classes : (n,) int64
        0..C-1.
    params : EncoderParams
        Its seed decides every random number, by way of torch's global generator.
    start_from : TorchEncoder, optional
        One of these very parameters, whose weights the network begins with; it is left as it is.
    """

    def __init__(
        self,
        images: Tensor,
        classes: NDArray[np.int64],
        params: EncoderParams,
        start_from: TorchEncoder | None = None,
    ) -> None:
        torch.manual_seed(_seed(params.seed, 0))
        self.params = params
        self.images = images
        self.classes = torch.from_numpy(classes)
        self.encoder = TorchEncoder(
            params.name,
            params.image_size,
            params.width,
            params.embedding_size,
            color=images.shape[1] == 3,
            average_views=params.average_views,
            device=params.device,
        )
        if start_from is not None:
            self.encoder.network.load_state_dict(start_from.network.state_dict())
        self.bfloat16 = use_bfloat16(params.precision, self.encoder.device)
        n_classes = int(classes.max()) + 1
        self.head = build_margin_head(
            params.loss,
            4 * n_classes if params.rotate_classes else n_classes,
            params.embedding_size,
            params.margin,
            params.scale,
        ).to(self.encoder.device)
        self.mirror: Callable[[Tensor], Tensor] = build_mirror(params.mirror)
        self.augment: Callable[[Tensor], Tensor] = build_augmentation(params.augmentation, color=self.encoder.color)
        self.batch_size = min(params.batch_size, len(images))
        self.steps_per_epoch = len(images) // self.batch_size
        self.images_per_epoch = self.steps_per_epoch * self.batch_size
        self.optimizer = _optimizer(nn.ModuleList([self.encoder.network, self.head]), params)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            params.learning_rate,
            total_steps=params.epochs * self.steps_per_epoch,
            pct_start=_WARM_UP_SHARE,
        )
        self.history: list[EpochRecord] = []
        self.best: dict[str, Tensor] = {}

    def train_epoch(self, progress: tqdm) -> float:
        """See every image once, but for those of a last batch that would not be full; return the mean loss.

        Raises
        ------
        ValueError
            The training diverges: a loss, or an embedding after the last step, is not finite.
        """
        torch.manual_seed(_seed(self.params.seed, len(self.history) + 1))  # so a resumed run draws the same
        self.encoder.network.train()
        total = 0.0
        for batch in torch.randperm(len(self.images))[: self.images_per_epoch].split(self.batch_size):
            images = to_input(self.images[batch], self.encoder.device)
            classes = self.classes[batch].to(self.encoder.device)
            with torch.no_grad():
                images = self.mirror(images)
                if self.params.rotate_classes:
                    images, classes = random_quarter_turns(images, classes)
                images = self.augment(images).contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.encoder.device.type, torch.bfloat16, enabled=self.bfloat16):
                embeddings = self.encoder.network(images)
            loss = self.head(embeddings.float(), classes)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            total += loss.item()
            self._check_finite(total)
            progress.update(len(batch))
        # The last step is seen by no loss.
        self._check_finite(float(self.encoder.encode_prepared(self.images[: self.batch_size]).sum()))
        return total / self.steps_per_epoch

    def _check_finite(self, value: float) -> None:
        if not math.isfinite(value):
            raise ValueError(
                f"training the encoder diverged in epoch {len(self.history) + 1}: the loss is no longer finite; lower "
                f"encoder.learning_rate, which is {self.params.learning_rate}"
            )

    def keep(self, record: EpochRecord) -> None:
        """Note an epoch, and its weights if it is the best so far."""
        scores = [earlier.held_out_one_nn for earlier in self.history]
        if math.isnan(record.held_out_one_nn) or record.held_out_one_nn >= max(scores, default=-math.inf):
            self.best = copy.deepcopy(self.encoder.network.state_dict())
        self.history.append(record)
        logger.info("%s", record)

    def chosen(self) -> TorchEncoder:
        """Return the encoder with the weights of the best epoch."""
        self.encoder.network.load_state_dict(self.best)
        self.encoder.network.eval()
        return self.encoder

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to carry on."""
        return {
            "network": self.encoder.network.state_dict(),
            "head": self.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": self.best,
            "history": [dataclasses.asdict(record) for record in self.history],
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """Carry on from `state`; None starts from the beginning."""
        if state is None:
            return
        self.encoder.network.load_state_dict(state["network"])
        self.head.load_state_dict(state["head"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.best = state["best"]
        self.history = [EpochRecord(**record) for record in state["history"]]
        logger.info("training carries on after epoch %d of %d", len(self.history), self.params.epochs)


def _optimizer(modules: nn.Module, params: EncoderParams) -> torch.optim.Optimizer:
    """AdamW; biases and batch norm's scales are not decayed."""
    matrices = [weight for weight in modules.parameters() if weight.ndim > 1]
    vectors = [weight for weight in modules.parameters() if weight.ndim == 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=params.learning_rate, weight_decay=params.weight_decay)


def _seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
