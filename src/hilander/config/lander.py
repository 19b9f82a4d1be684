"""Block ``lander``: what is trained to cluster, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from hilander.allowed_values import AtLeastTwo, Count, CountOrNone, NotNegative, OneOf, Positive, Range, Seed, Share
from hilander.typed_mapping import ConfigError

Variant = Annotated[str, OneOf("hilander", "published")]


@dataclass(frozen=True)
class PublishedParams:
    """Settings of the published training (Xing et al. 2021, section 4.1).

    The optimiser alone differs: AdamW for 60 epochs, which takes minutes. ``optimizer="sgd",
    learning_rate=0.01, epochs=250, batch_size=4096`` is the published recipe to the letter.
    """

    n_neighbors: tuple[Count, ...] = (10, 5, 3)
    n_levels: tuple[Count, ...] = (2, 3, 4)
    hidden_features: AtLeastTwo = 512  # edges are classified at half of it
    n_convolutions: Annotated[int, Range(1, 4)] = 1
    convolution: Annotated[str, OneOf("mean", "attention")] = "mean"
    n_heads: Count = 1
    dropout: Share = 0.0
    use_cluster_features: bool = True
    balance: bool = True
    focal_gamma: NotNegative = 0.0
    optimizer: Annotated[str, OneOf("adamw", "sgd")] = "adamw"  # sgd: with momentum .9
    learning_rate: Positive = 0.001
    weight_decay: NotNegative = 1e-5
    epochs: Count = 60
    batch_size: Count = 4096  # nodes; graphs of fewer take one step as a whole


@dataclass(frozen=True)
class RelationalParams:
    """Settings of the training of variant ``hilander``; see `hilander.training.relational`.

    Attributes
    ----------
    hidden, n_rounds : int
        Size of each network.
    n_item_steps, n_cluster_steps : int
        Optimiser steps, at most, of the networks that link items and clusters, one connected part of a graph each.
    max_passes : int
        Learn from no part of the items' graphs more often than this, on average: a small labelled set is soon known by
        heart, and its networks take fewer steps, both by the same share.
    n_starter_steps : int
        Steps of a throw-away network whose linkage makes the second training graph of items, and of another one that
        makes the clusters of clusters.
    n_context_steps : int
        Of the network that corrects the linkage of items by what is usual in their set. Only where many sets are
        learned from, as with `n_drawn`: in a single one nothing is unusual.
    n_thinned : int
        Learn from so many copies of the labelled set with classes unevenly thinned, in place of the set itself: where
        labelled classes are of even sizes and those to be clustered are not. 0 learns from the set as it is.
    n_projected : int
        Learn also from so many random projections of the labelled set, see
        `hilander.training.labelled_set.projected`: there known classes are confused as unknown ones will be. 0 leaves
        them out; three make the training some 40 % longer.
    n_drawn : int
        Learn from so many drawn worlds beside the labelled set (42 hold every width and size), and fewer sets of three
        other kinds, see `hilander.training.general_sets.sets_beside`: where classes to be clustered are of another kind
        than the labelled ones. Many of the steps are theirs, so at least twice as many are needed; with 42 it takes 9
        to 11 GB, and some 2 more with `n_projected`. The networks that correct the linkage and link clusters see as
        many others in place of these worlds, some with classes that hardly differ.
    n_cores, core_size : int
        At most so many parts are cut out of each graph, a third of it out of a projection's, of so many nodes without
        the halo of their neighbours.
    learning_rate : float
        Peak of the one-cycle schedule of AdamW.
    weight_decay, dropout : float
        Of the network that links items.
    cluster_weight_decay, cluster_dropout : float
        Of the one that links clusters, which has fewer of them to learn from.
    early_round_weight : float
        Weight of the linkage loss of the rounds before the last.
    density_weight : float
        Weight of the squared error of the density.
    """

    hidden: Count = 24
    n_rounds: Count = 2
    n_item_steps: Count = 600
    n_cluster_steps: Count = 240
    max_passes: Count = 25
    n_starter_steps: Count = 100
    n_context_steps: Count = 3000
    n_thinned: CountOrNone = 0
    n_projected: CountOrNone = 3
    n_drawn: CountOrNone = 0
    n_cores: Count = 24
    core_size: Count = 900
    learning_rate: Positive = 5e-3
    weight_decay: NotNegative = 1e-3
    dropout: Share = 0.0
    cluster_weight_decay: NotNegative = 1e-2
    cluster_dropout: Share = 0.1
    early_round_weight: NotNegative = 0.3
    density_weight: NotNegative = 1.0


@dataclass(frozen=True)
class LanderParams:
    """Hi-LANDER meta-training and clustering."""

    variant: Variant = "hilander"  # the model that is put into service
    compare_with: tuple[Variant, ...] = ()  # variants that are trained beside it, for the report
    seed: Seed = 0
    device: str = "auto"
    hilander: RelationalParams = field(default_factory=RelationalParams)
    published: PublishedParams = field(default_factory=PublishedParams)

    def params_of(self, variant: str) -> RelationalParams | PublishedParams:
        """Training settings of that variant.

        Raises
        ------
        ConfigError
            Unknown variant.
        """
        blocks: dict[str, RelationalParams | PublishedParams] = {"hilander": self.hilander, "published": self.published}
        if variant not in blocks:
            raise ConfigError(f"variant must be one of {', '.join(blocks)}; got {variant!r}")
        return blocks[variant]
