"""Train the published LANDER on labelled classes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from hilander.config import PublishedParams
from hilander.graph.build import dgl, in_edges
from hilander.graph.in_edges import InEdges
from hilander.graph.sampling import FullNeighborSampler
from hilander.models.published import PublishedModel
from hilander.nn.device import resolve_device
from hilander.nn.lander import Lander
from hilander.nn.losses import density_loss, linkage_loss
from hilander.training.divergence import check_finite
from hilander.training.training_graphs import TrainingGraph, build_training_graphs

logger = logging.getLogger(__name__)

FINAL_LEARNING_RATE = 1e-5  # of the cosine decay, as published


def fit_published(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    params: PublishedParams | None = None,
    *,
    random_state: int = 0,
    device: str = "auto",
    show_progress: bool = False,
    neighbors: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
) -> tuple[PublishedModel, list[dict[str, float]]]:
    """Train a LANDER; the linkage threshold is left at its default, see `choose_threshold`.

    Parameters
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised.
    labels : ndarray of shape (n,), int64
    params : PublishedParams, optional
    random_state : int
        The same seed gives the same weights on the same machine.
    device : str
    show_progress : bool
    neighbors : tuple of ndarrays of shape (n, >= max(params.n_neighbors)), optional
        Neighbours and similarities, where they are known already.

    Returns
    -------
    model : PublishedModel
    history : list of dict
        Per epoch: ``step``, the steps so far, ``loss_linkage``, ``loss_density``.

    Raises
    ------
    ValueError
        Fewer than two rows, an unknown optimiser or convolution, lists of unequal lengths, or a loss that diverges.
    """
    params = params or PublishedParams()
    if not len(params.n_neighbors) == len(params.n_levels) > 0:
        raise ValueError(
            "n_neighbors and n_levels must name as many training graphs as each other, at least one; got "
            f"{params.n_neighbors} and {params.n_levels}"
        )
    graphs = build_training_graphs(
        embeddings,
        labels,
        params.n_neighbors,
        params.n_levels,
        params.use_cluster_features,
        random_state,
        neighbors=neighbors,
    )
    if not graphs:
        raise ValueError(f"training needs at least 2 embeddings, got {len(embeddings)}")
    target = resolve_device(device)
    with torch.random.fork_rng(), _deterministic():
        torch.manual_seed(random_state)
        arguments = {
            "n_features": graphs[0].features.shape[1],
            **{name: getattr(params, name) for name in
               ("hidden_features", "n_convolutions", "convolution", "n_heads", "dropout")},
        }  # fmt: skip
        lander = Lander(**arguments).to(target)
        history = _fit(lander, graphs, params, target, show_progress)
    lander.eval()
    model = PublishedModel(
        n_features=embeddings.shape[1],
        lander=lander,
        lander_arguments=arguments,
        use_cluster_features=params.use_cluster_features,
        provenance={"training": asdict(params)},
        device=device,
    )
    return model, history


@contextmanager
def _deterministic() -> Iterator[None]:
    """Sum gradients in one order, where several threads would take turns as they come; restored afterwards."""
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)


def _fit(
    lander: Lander, graphs: list[TrainingGraph], params: PublishedParams, device: torch.device, show_progress: bool
) -> list[dict[str, float]]:
    steps_per_epoch = -(-graphs[0].graph.num_nodes() // params.batch_size)
    total_steps = params.epochs * steps_per_epoch * len(graphs)
    optimizer = _optimizer(lander, params)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total_steps, eta_min=FINAL_LEARNING_RATE)
    batches = [_batches(graph, params, device) for graph in graphs]
    history = []
    with tqdm(total=total_steps, desc="LANDER", unit="step", disable=not show_progress) as bar:
        for epoch in range(params.epochs):
            losses = []
            for source in batches * steps_per_epoch:  # every graph takes as many steps as the first, as published
                batch = next(source)
                logits, density = lander(batch.blocks, batch.features)
                loss_linkage = linkage_loss(
                    logits, batch.linkage, batch.mask, balance=params.balance, focal_gamma=params.focal_gamma
                )
                loss_density = density_loss(density, batch.density)
                loss = loss_linkage + loss_density
                check_finite(loss, f"epoch {epoch}", params.learning_rate)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                losses.append((loss_linkage.item(), loss_density.item()))
                bar.update()
            mean_linkage, mean_density = np.mean(losses, axis=0)
            bar.set_postfix(linkage=f"{mean_linkage:.3f}", density=f"{mean_density:.4f}")
            step = (epoch + 1) * steps_per_epoch * len(graphs)
            history.append({"step": step, "loss_linkage": float(mean_linkage), "loss_density": float(mean_density)})
    return history


def _optimizer(lander: Lander, params: PublishedParams) -> torch.optim.Optimizer:
    if params.optimizer == "sgd":
        return torch.optim.SGD(
            lander.parameters(), lr=params.learning_rate, momentum=0.9, weight_decay=params.weight_decay
        )
    if params.optimizer == "adamw":
        return torch.optim.AdamW(lander.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)
    raise ValueError(f"optimizer must be 'adamw' or 'sgd', got {params.optimizer!r}")


class _Batch(NamedTuple):
    blocks: list[InEdges]
    features: Tensor  # (n_sources, n_features)
    linkage: Tensor  # (m,) y_ij
    density: Tensor  # (n_destinations,)
    mask: Tensor  # (m,) bool: from higher to lower density

    def to(self, device: torch.device) -> _Batch:
        tensors = (tensor.to(device) for tensor in self[1:])
        return _Batch([block.to(device) for block in self.blocks], *tensors)


def _batches(item: TrainingGraph, params: PublishedParams, device: torch.device) -> Iterator[_Batch]:
    """Endless batches of nodes with all their neighbours; a small graph is one batch as it stands."""
    n = item.graph.num_nodes()
    sources, destinations = item.graph.edges(order="eid")
    mask = item.density[sources] > item.density[destinations]
    if n <= params.batch_size:
        blocks = [in_edges(item.graph)] * (params.n_convolutions + 1)
        whole = _Batch(blocks, item.features, item.linkage, item.density, mask).to(device)
        while True:
            yield whole
    sampler = FullNeighborSampler(params.n_convolutions + 1)
    while True:
        for nodes in torch.randperm(n).split(params.batch_size):
            inputs, _, sampled = sampler.sample(item.graph, nodes)
            blocks = [in_edges(block) for block in sampled]
            edges = sampled[-1].edata[dgl.EID][blocks[-1].edge_ids]
            yield _Batch(blocks, item.features[inputs], item.linkage[edges], item.density[nodes], mask[edges]).to(
                device
            )
