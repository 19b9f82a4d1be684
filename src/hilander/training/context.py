"""Train the network that corrects the linkage of items by what is usual in their set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

from hilander.graph.linkage_context import LINKAGE_CONTEXT, N_OF_PAIRS, LinkageContext
from hilander.models.relational import link_items
from hilander.nn.context_network import ContextNetwork
from hilander.nn.relational_lander import RelationalLander
from hilander.training.labelled_set import LabelledSet

N_STEPS = 3000

_EDGES_PER_SET = 10_000  # of large sets a sample, so that each set counts about alike
_BATCH_SIZE = 8192
_LEARNING_RATE = 5e-3
_WEIGHT_DECAY = 1e-4
_SHORTEST_CYCLE = 20  # steps; torch's schedule divides by the warm-up's length less one
_WARM_UP_SHARE = 0.1
_SET_NOISE, _PAIR_NOISE = 0.7, 0.2  # standard deviations


@dataclass(frozen=True)
class LinkedSet:
    """Items, linked by the network that has been trained for that.

    Attributes
    ----------
    edges : ndarray of shape (m, 2), int64
    linkage : ndarray of shape (m,), float32
    labels : ndarray of shape (n,), int64
    """

    edges: NDArray[np.int64]
    linkage: NDArray[np.float32]
    labels: NDArray[np.int64]


def link_each(
    item_network: RelationalLander, *groups: Sequence[LabelledSet], show_progress: bool = False
) -> Iterator[list[LinkedSet]]:
    """Yield the linked sets of each group; a set that is in several is linked once.

    Parameters
    ----------
    item_network : RelationalLander
        The one for items.
    *groups : sequences of LabelledSet
        The same objects where groups share sets.
    show_progress : bool
    """
    linked: dict[int, LinkedSet] = {}
    for group in groups:
        for each in tqdm(group, desc="links", unit="set", disable=not show_progress, leave=False):
            if id(each) not in linked:
                found = link_items(item_network, each.embeddings, *each.nearest)
                # The features take far more memory than what is kept.
                linked[id(each)] = LinkedSet(found.graph.edges, found.linkage, each.labels)
        yield [linked[id(each)] for each in group]


def corrected(context: ContextNetwork, each: LinkedSet) -> LinkedSet:
    """Return the same set with its linkage corrected."""
    return replace(each, linkage=context.correct(each.linkage, each.edges, len(each.labels)))


def train_context(
    sets: Sequence[LinkedSet], *, n_steps: int = N_STEPS, random_state: int = 0, show_progress: bool = False
) -> ContextNetwork:
    """Train on pairs of many sets.

    What is usual differs from set to set alone, and of sets there are far fewer than of pairs: a network that sees the
    same few numbers with all pairs of a set learns the sets by heart, and is at a loss in others. So in every step all
    of a set's pairs see these numbers moved, by the same amount: without that, some sets of kinds that were not learned
    from are linked far worse than before the correction (docs/method.md).

    Parameters
    ----------
    sets : sequence of LinkedSet
        Many, of all kinds.
    n_steps : int
    random_state : int
        The same seed gives the same weights on the same machine.
    show_progress : bool

    Returns
    -------
    ContextNetwork
        In evaluation mode.
    """
    rng = np.random.default_rng(random_state)
    contexts, linked, numbers = [], [], []
    for number, each in enumerate(sets):
        rows = rng.permutation(len(each.edges))[:_EDGES_PER_SET]
        contexts.append(LinkageContext(each.linkage, each.edges, len(each.labels))[rows])
        first, second = each.labels[each.edges[rows]].T
        linked.append((first == second).astype(np.float32))
        numbers.append(np.full(len(rows), number))
    context, target, set_of = (torch.from_numpy(np.concatenate(each)) for each in (contexts, linked, numbers))

    generator = torch.Generator().manual_seed(random_state)
    with torch.random.fork_rng():
        torch.manual_seed(random_state)
        network = ContextNetwork(len(LINKAGE_CONTEXT))
    network.set_standardization(context)
    deviation = torch.full((len(LINKAGE_CONTEXT),), _PAIR_NOISE, dtype=torch.float32)
    deviation[0] = 0  # the linkage is no matter of context
    deviation[N_OF_PAIRS:] = _SET_NOISE
    optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _LEARNING_RATE, total_steps=max(n_steps, _SHORTEST_CYCLE), pct_start=_WARM_UP_SHARE
    )
    for _ in tqdm(range(n_steps), desc="context", unit="step", disable=not show_progress):
        batch = torch.randint(len(context), (_BATCH_SIZE,), generator=generator)
        moved = deviation * torch.randn(len(sets), len(deviation), dtype=torch.float32, generator=generator)
        loss = binary_cross_entropy_with_logits(network(context[batch], moved[set_of[batch]]), target[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()
