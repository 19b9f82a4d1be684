"""Train hilander's own model: learn linkage and density of items and of clusters from labelled classes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import cycle

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss
from tqdm import tqdm

from hilander.config import RelationalParams
from hilander.graph.connected_parts import connected_core, with_halo
from hilander.graph.knn import nearest_neighbors
from hilander.graph.relational_graph import RelationalGraph, first_graph, next_graph
from hilander.graph.relations import N_CONTEXT
from hilander.graph.super_graph import super_graph
from hilander.hierarchy.average_linkage import average_linkage
from hilander.models.clustering_model import ClusteringSettings
from hilander.models.relational import RelationalLanders, RelationalModel, graph_tensors, link_items, predict
from hilander.nn.device import resolve_device
from hilander.nn.relational_lander import RelationalLander

logger = logging.getLogger(__name__)

CONFIDENT = 0.5  # items are merged while their mean linkage is at least this; below, clusters are by theirs
SETTINGS = ClusteringSettings(
    n_neighbors=N_CONTEXT,
    decode="average_linkage",
    max_levels=2,  # items, then their clusters: the cluster network has seen no level above
    search_features="none",
    first_threshold=CONFIDENT,
)

_COVERAGE = 1.2  # how often a node of a small graph lies in a core, on average
_WARM_UP_SHARE = 0.1  # of the steps
_SHORTEST_CYCLE = 20  # steps; torch's schedule divides by the warm-up's length less one


@dataclass(frozen=True)
class LabelledSet:
    """Embeddings of known classes, which make one set of graphs.

    Attributes
    ----------
    embeddings : ndarray of shape (n, d), float32
        Rows of norm 1, n >= 2.
    labels : ndarray of shape (n,), int64
    neighbors : tuple of ndarrays of shape (n, >= 40), optional
        Neighbours and similarities, where they are known already.
    """

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    neighbors: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None

    @cached_property
    def nearest(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The 40 nearest neighbours, or all others, and their similarities."""
        found = self.neighbors
        if found is None or found[0].shape[1] < min(N_CONTEXT, len(self.embeddings) - 1):
            found = nearest_neighbors(self.embeddings, N_CONTEXT)
        return found[0][:, :N_CONTEXT], found[1][:, :N_CONTEXT]


def fit_relational(
    sets: Sequence[LabelledSet],
    params: RelationalParams | None = None,
    *,
    random_state: int = 0,
    device: str = "auto",
    show_progress: bool = False,
) -> tuple[RelationalModel, list[dict[str, float]]]:
    """Train the network that links items, in both passes, and then the one that links their clusters.

    The graphs of the second pass and of the clusters are made as in inference, by predicted linkage and not by the
    true one: what is learned there is to correct one's own errors. The linkage threshold is left at its default, see
    `hilander.training.threshold.choose_threshold`.

    Parameters
    ----------
    sets : sequence of LabelledSet
        Usually one. Several, of any widths, are learned from by turns, each by its own graphs.
    params : RelationalParams, optional
    random_state : int
        The same seed gives the same weights on the same machine.
    device : str
        "auto", "cpu" or "cuda".
    show_progress : bool

    Returns
    -------
    model : RelationalModel
    history : list of dict
        Per step: ``network`` (0 items, 1 clusters), ``step``, ``loss_linkage``, ``loss_density``.
    """
    params = params or RelationalParams()
    run = _Run(params, random_state, resolve_device(device), show_progress)
    with torch.random.fork_rng():
        first = [first_graph(each.embeddings, *each.nearest) for each in sets]
        levels = [_Level(graph, np.arange(graph.n_nodes), each.labels) for graph, each in zip(first, sets, strict=True)]
        starter, _ = _train(levels, run, params.n_starter_steps)
        for graph, each in zip(first, sets, strict=True):
            second = next_graph(each.embeddings, *each.nearest, graph, predict(starter, graph).linkage)
            levels.append(_Level(second, np.arange(second.n_nodes), each.labels))
        item_network, history = _train(levels, run, params.n_item_steps)
        del levels, first

        clusters = [_cluster_level(item_network, each, random_state) for each in sets]
        params = replace(params, weight_decay=params.cluster_weight_decay, dropout=params.cluster_dropout)
        cluster_network, cluster_history = _train(clusters, replace(run, params=params), params.n_cluster_steps)
    model = RelationalModel(
        settings=SETTINGS,
        provenance={"training": asdict(run.params)},
        landers=RelationalLanders(item_network, cluster_network),
        device=device,
    )
    histories = enumerate((history, cluster_history))
    return model, [{"network": number, **step} for number, steps in histories for step in steps]


@dataclass(frozen=True)
class _Level:
    """One graph to learn from, the node that each item belongs to and its class, (n_items,) both."""

    graph: RelationalGraph
    members: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class _Run:
    """What all trainings have in common."""

    params: RelationalParams
    random_state: int
    device: torch.device
    show_progress: bool


@dataclass(frozen=True)
class _Batch:
    """One connected part: inputs of the network, targets, and where they count."""

    inputs: tuple[Tensor, Tensor, Tensor, Tensor]
    linked: Tensor  # (m,) float32, share of the pairs of items that are of one class
    weight: Tensor  # (m,) float32, mean 1
    density: Tensor  # (n,) float32
    edge_counts: Tensor  # (m,) bool
    node_counts: Tensor  # (n,) bool


def _cluster_level(network: RelationalLander, labelled: LabelledSet, random_state: int) -> _Level:
    """Clusters that the network for items makes, down to where it is no longer confident."""
    linked = link_items(network, labelled.embeddings, *labelled.nearest)
    members = average_linkage(linked.graph.edges, linked.linkage, linked.graph.n_nodes, CONFIDENT)
    if members.max() == 0:  # one cluster: nothing to learn about clusters, and nothing to link
        members = np.arange(len(members))
    graph = super_graph(labelled.embeddings, linked.graph.edges, linked.linkage, members, random_state=random_state)
    return _Level(graph, members, labelled.labels)


def _train(levels: Sequence[_Level], run: _Run, n_steps: int) -> tuple[RelationalLander, list[dict[str, float]]]:
    """Train on connected parts of the graphs, by turns, at full scale.

    A part is a core of connected nodes with all their neighbours; the loss counts the edges that touch the core. So
    the true share of edges that run between classes is kept, and with it the calibration of the linkage.
    """
    params = run.params
    torch.manual_seed(run.random_state)
    features = np.concatenate([level.graph.features for level in levels])
    network = RelationalLander(
        features.shape[1], hidden=params.hidden, n_rounds=params.n_rounds, dropout=params.dropout
    )
    network.set_standardization(torch.from_numpy(features))
    network.to(run.device).train()
    rng = np.random.default_rng(run.random_state)
    batches = [cycle(_batches(level, run, rng)) for level in levels]
    optimizer = torch.optim.AdamW(network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, params.learning_rate, total_steps=max(n_steps, _SHORTEST_CYCLE), pct_start=_WARM_UP_SHARE
    )
    history = []
    progress = tqdm(range(n_steps), desc="LANDER", unit="step", disable=not run.show_progress)
    for step in progress:
        batch = next(batches[step % len(batches)])
        logits, density = network(*batch.inputs)
        loss_linkage, loss_density = _losses(logits, density, batch, params)
        optimizer.zero_grad()
        (loss_linkage + params.density_weight * loss_density).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        history.append({"step": step, "loss_linkage": loss_linkage.item(), "loss_density": loss_density.item()})
        progress.set_postfix(loss=f"{loss_linkage.item():.3f}", refresh=False)
    return network.eval(), history


def _losses(logits: list[Tensor], density: Tensor, batch: _Batch, params: RelationalParams) -> tuple[Tensor, Tensor]:
    linked, weight = batch.linked[batch.edge_counts], batch.weight[batch.edge_counts]
    *early, last = (binary_cross_entropy_with_logits(each[batch.edge_counts], linked, weight) for each in logits)
    loss_linkage = last + params.early_round_weight * sum(early)
    return loss_linkage, mse_loss(density[batch.node_counts], batch.density[batch.node_counts])


def _batches(level: _Level, run: _Run, rng: np.random.Generator) -> list[_Batch]:
    params, device = run.params, run.device
    graph = level.graph
    linked = _share_of_one_class(graph, level.members, level.labels)
    signed = np.maximum(graph.features[:, 0], 0) * (2 * linked - 1)
    density = sum(np.bincount(end, signed, graph.n_nodes) for end in graph.edges.T) / np.maximum(graph.degrees, 1)
    weight = np.sqrt(graph.sizes[graph.edges].prod(axis=1))
    weight /= weight.mean()
    n_cores = min(params.n_cores, int(np.ceil(_COVERAGE * graph.n_nodes / params.core_size)))
    batches = []
    for _ in range(n_cores):
        core = connected_core(graph, params.core_size, rng)
        part, nodes, edge_rows = with_halo(graph, core)
        in_core = np.isin(nodes, core)
        batches.append(
            _Batch(
                graph_tensors(part, device),
                _float_tensor(linked[edge_rows], device),
                _float_tensor(weight[edge_rows], device),
                _float_tensor(density[nodes], device),
                torch.from_numpy(in_core[part.edges].any(axis=1)).to(device),
                torch.from_numpy(in_core).to(device),
            )
        )
    return batches


def _share_of_one_class(
    graph: RelationalGraph, members: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Share of the pairs of items of both ends that are of one class, (m,)."""
    counts = sp.csr_array((np.ones(len(labels)), (members, labels)))
    i, j = graph.edges.T
    return counts[i].multiply(counts[j]).sum(axis=1) / (graph.sizes[i] * graph.sizes[j])


def _float_tensor(values: NDArray[np.float64], device: torch.device) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)
