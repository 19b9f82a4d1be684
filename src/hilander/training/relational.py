"""Train hilander's own model: learn linkage and density of items and of clusters from labelled classes."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss
from tqdm import tqdm

from hilander.config import RelationalParams
from hilander.graph.relational_graph import RelationalGraph, first_graph, next_graph
from hilander.graph.relations import N_CONTEXT
from hilander.graph.super_graph import super_graph
from hilander.hierarchy.average_linkage import average_linkage
from hilander.models.clustering_model import ClusteringSettings
from hilander.models.relational import RelationalLanders, RelationalModel, predict
from hilander.nn.device import resolve_device
from hilander.nn.relational_lander import RelationalLander
from hilander.training.connected_batches import Batch, LabelledGraph
from hilander.training.context import LinkedSet, corrected, link_each, train_context
from hilander.training.divergence import check_finite
from hilander.training.freed_memory import give_back_freed_memory
from hilander.training.labelled_set import LabelledSet
from hilander.training.lessons import Lessons, Run

logger = logging.getLogger(__name__)

CONFIDENT = 0.5  # items are merged while their mean linkage is at least this; below, clusters are by theirs
SETTINGS = ClusteringSettings(
    n_neighbors=N_CONTEXT,
    decode="average_linkage",
    search_features="none",
    first_threshold=CONFIDENT,
)

_UPPER_LEVELS = 4  # of clusters of clusters, to learn from
_WARM_UP_SHARE = 0.1  # of the steps
_FEWEST_SETS_FOR_CONTEXT = 16  # what is usual is one and the same in all of a set
_SHORTEST_CYCLE = 20  # steps; torch's schedule divides by the warm-up's length less one


def fit_relational(
    sets: Sequence[LabelledSet],
    params: RelationalParams | None = None,
    *,
    cluster_sets: Sequence[LabelledSet] | None = None,
    context_sets: Sequence[LabelledSet] | None = None,
    random_state: int = 0,
    device: str = "auto",
    mixed: bool = False,
    show_progress: bool = False,
) -> tuple[RelationalModel, list[dict[str, float]]]:
    """Train the network that links items, in both passes, and then the one that links their clusters.

    Between the two, where there are sets enough, comes the one that corrects the linkage of items by what is usual in
    their set. The graphs of the second pass and of the clusters are made as in inference, by predicted linkage and not
    by the true one: what is learned there is to correct one's own errors. The linkage threshold is left at its default,
    see `hilander.training.threshold.choose_threshold`.

    Parameters
    ----------
    sets : sequence of LabelledSet
        Usually one. Several, of any widths, are learned from by turns, each by its own graphs.
    params : RelationalParams, optional
    cluster_sets : sequence of LabelledSet, optional
        What the network that links clusters learns from; `sets` by default.
    context_sets : sequence of LabelledSet, optional
        What the one that corrects the linkage learns from; `cluster_sets` by default.
    random_state : int
        The same seed gives the same weights on the same machine.
    device : str
        "auto", "cpu" or "cuda".
    mixed : bool
        Learn from parts of all sets in random order, small ones together in one step, in place of one set after the
        other by turns: for many sets of various sizes.
    show_progress : bool

    Returns
    -------
    model : RelationalModel
    history : list of dict
        Per step: ``network`` (0 items, 1 clusters), ``step``, ``loss_linkage``, ``loss_density``.
    """
    params = params or RelationalParams()
    cluster_sets = cluster_sets or sets
    context_sets = context_sets or cluster_sets
    run = Run(params, random_state, resolve_device(device), show_progress, mixed)
    with torch.random.fork_rng():
        item_network, history = _train_items(sets, run)
        give_back_freed_memory()  # room for what is linked next
        linked, of_clusters = link_each(item_network, context_sets, cluster_sets, show_progress=show_progress)
        context = None
        if len(linked) >= _FEWEST_SETS_FOR_CONTEXT:
            context = train_context(
                linked, n_steps=params.n_context_steps, random_state=random_state, show_progress=show_progress
            )
            of_clusters = [corrected(context, each) for each in of_clusters]
        n_steps = math.ceil(params.n_cluster_steps * len(history) / params.n_item_steps)  # cut as those for items are
        cluster_network, cluster_history = _train_clusters(cluster_sets, of_clusters, run, n_steps)
    model = RelationalModel(
        settings=SETTINGS,
        provenance={"training": asdict(run.params)},
        landers=RelationalLanders(item_network, cluster_network, context),
        device=device,
    )
    histories = enumerate((history, cluster_history))
    return model, [{"network": number, **step} for number, steps in histories for step in steps]


def _train_items(sets: Sequence[LabelledSet], run: Run) -> tuple[RelationalLander, list[dict[str, float]]]:
    """Train on the graphs of both passes; the second ones are made by a starter, which is thrown away."""
    lessons = Lessons(run, len(sets))
    for each in run.over(sets, "neighbours"):
        lessons.add(_of_items(first_graph(each.embeddings, *each.nearest), each), each)
    starter, _ = _train(lessons, run, run.params.n_starter_steps, "items, at first")
    for each in run.over(sets, "likely mates"):
        graph = first_graph(each.embeddings, *each.nearest)
        second = next_graph(each.embeddings, *each.nearest, graph, predict(starter, graph).linkage)
        lessons.add(_of_items(second, each), each)
    return _train(lessons, run, min(run.params.n_item_steps, run.params.max_passes * lessons.n_parts()), "items")


def _train_clusters(
    sets: Sequence[LabelledSet], linked: Sequence[LinkedSet], run: Run, n_steps: int
) -> tuple[RelationalLander, list[dict[str, float]]]:
    """Train on the clusters of all levels; those above the first are made by a starter, which is thrown away."""
    params = run.params
    run = replace(run, params=replace(params, weight_decay=params.cluster_weight_decay, dropout=params.cluster_dropout))
    lessons = Lessons(run, len(sets))
    members: list[NDArray[np.int64]] = []

    def level_of(i: int, of_items: NDArray[np.int64]) -> LabelledGraph:
        links = linked[i].edges, linked[i].linkage
        graph = super_graph(sets[i].embeddings, *links, of_items, random_state=run.random_state)
        return LabelledGraph(graph, of_items, sets[i].labels)

    for i, each in enumerate(linked):
        merged = average_linkage(each.edges, each.linkage, len(each.labels), CONFIDENT)
        # One cluster of all: nothing to learn about clusters, and nothing to link.
        members.append(merged if merged.max() > 0 else np.arange(len(merged)))
        lessons.add(level_of(i, members[i]), sets[i])
    starter, _ = _train(lessons, run, params.n_starter_steps, "clusters, at first")
    for i in range(len(sets)):
        level = level_of(i, members[i])
        for _ in range(_UPPER_LEVELS):
            found = predict(starter, level.graph)
            sizes = level.graph.sizes
            merged = average_linkage(found.graph.edges, found.linkage, len(sizes), CONFIDENT, sizes)
            if merged.max() in (0, len(sizes) - 1):
                break
            level = level_of(i, merged[level.members])
            lessons.add(level, sets[i])
    return _train(lessons, run, n_steps, "clusters")


def _of_items(graph: RelationalGraph, labelled: LabelledSet) -> LabelledGraph:
    return LabelledGraph(graph, np.arange(graph.n_nodes), labelled.labels)


def _train(lessons: Lessons, run: Run, n_steps: int, what: str) -> tuple[RelationalLander, list[dict[str, float]]]:
    """Train on connected parts of the graphs, at full scale."""
    params = run.params
    torch.manual_seed(run.random_state)
    features = lessons.features()
    network = RelationalLander(
        features.shape[1], hidden=params.hidden, n_rounds=params.n_rounds, dropout=params.dropout
    )
    network.set_standardization(features)
    network.to(run.device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, params.learning_rate, total_steps=max(n_steps, _SHORTEST_CYCLE), pct_start=_WARM_UP_SHARE
    )
    history = []
    progress = tqdm(range(n_steps), desc=f"LANDER, {what}", unit="step", disable=not run.show_progress)
    for step, batch in zip(progress, lessons.batches(), strict=False):
        logits, density = network(*batch.inputs)
        loss_linkage, loss_density = _losses(logits, density, batch, params)
        loss = loss_linkage + params.density_weight * loss_density
        check_finite(loss, f"step {step}", params.learning_rate)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        history.append({"step": step, "loss_linkage": loss_linkage.item(), "loss_density": loss_density.item()})
        progress.set_postfix(loss=f"{loss_linkage.item():.3f}", refresh=False)
    return network.eval(), history


def _losses(logits: list[Tensor], density: Tensor, batch: Batch, params: RelationalParams) -> tuple[Tensor, Tensor]:
    linked, weight = batch.linked[batch.edge_counts], batch.weight[batch.edge_counts]
    *early, last = (binary_cross_entropy_with_logits(each[batch.edge_counts], linked, weight) for each in logits)
    loss_linkage = last + params.early_round_weight * sum(early)
    return loss_linkage, mse_loss(density[batch.node_counts], batch.density[batch.node_counts])
