"""Typed view of ``params.yaml``: one block per pipeline stage, an unknown key is an error."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hilander.ranges import (
    AtLeastTwo,
    Count,
    CountOrNone,
    Distortion,
    Hours,
    NotNegative,
    Positive,
    Seed,
    Share,
    ShareBelowOne,
    check_ranges,
)
from hilander.typed_mapping import ConfigError, from_mapping


@dataclass(frozen=True)
class DataParams:
    """Where the labelled and the unseen classes come from."""

    path: str = "data"  # file or folder, any format of hilander.data.read_dataset
    format: str = "auto"
    train_split: str = "train"
    test_split: str = "test"
    test_share: Share = 0.3  # share of the classes held out where the data name no split
    seed: int = 0


@dataclass(frozen=True)
class ValidateParams:
    """Floors and ceilings that the raw data must keep before anything is trained on them."""

    min_classes: Count = 10  # in each split
    min_items_per_class: NotNegative = 2.0  # mean over the classes of each split
    max_near_empty_share: Share = 0.01  # images that show next to nothing
    max_duplicate_share: Share = 0.05  # items whose content came before


@dataclass(frozen=True)
class NetworkParams:
    """What one network of an ensemble does otherwise than its `EncoderParams`; null: the same."""

    image_size: int | None = None
    width: int | None = None
    epochs: int | None = None
    rotate_classes: bool | None = None
    seed: int | None = None  # null: the encoder's plus the place in the list, from 0


@dataclass(frozen=True)
class EncoderParams:
    """Supervised classifier whose encoder turns images into embeddings."""

    name: str = "resnet"  # resnet | conv | onnx | huggingface | identity (embeddings are brought)
    path: str = ""  # onnx: the .onnx file; huggingface: the model folder
    image_size: Count = 32  # pixels a side that images are resized to; onnx: where the file leaves it open
    pixel_mean: tuple[float, ...] = (127.5,)  # onnx: the network reads (pixel - mean) / std, one value or one a channel
    pixel_std: tuple[float, ...] = (127.5,)
    embedding_size: Count = 128
    width: Count = 32  # channels of the first layer
    loss: str = "arcface"  # arcface | subcenter_arcface | cosface | softmax
    margin: float | None = None  # null: the loss's usual one; degrees for arcface, cosine for cosface
    scale: Positive = 32.0  # factor on the cosines in the softmax
    epochs: Count = 20
    batch_size: AtLeastTwo = 128
    learning_rate: Positive = 0.003  # the highest of one cycle
    weight_decay: NotNegative = 0.05
    augmentation: Distortion = 1.0  # strength of random distortions; 0 for none
    rotate_classes: bool = False  # quarter turns of a class become classes of their own
    precision: str = "auto"  # auto | float32 | bfloat16: of the convolutions in training
    held_out_share: ShareBelowOne = (
        0.1  # share of the training classes that choose the epoch instead; 0 takes the last epoch
    )
    ensemble: tuple[NetworkParams, ...] = ()  # one block a network, side by side; none: one network
    average_views: bool = False  # embed slightly turned and scaled copies of an image too, and take the mean
    whitening: float | None = None  # shrinkage of the within-class covariance to whiten by, (0, 1]; null: none
    device: str = "auto"
    seed: Seed = 0

    def networks(self) -> tuple[EncoderParams, ...]:
        """Parameters of every network to train, each by itself."""
        alone = dataclasses.replace(self, ensemble=(), whitening=None)
        return tuple(
            dataclasses.replace(alone, **{"seed": self.seed + i} | _given(network))
            for i, network in enumerate(self.ensemble or (NetworkParams(),))
        )


@dataclass(frozen=True)
class EncodeParams:
    """Images to embeddings."""

    batch_size: Count = 256


@dataclass(frozen=True)
class GraphParams:
    """k-nearest-neighbour graph of level 0."""

    n_neighbors: Count = 10
    method: str = "auto"  # auto | exact | ivf


@dataclass(frozen=True)
class PublishedParams:
    """Settings of the published training (Xing et al. 2021, section 4.1).

    The optimiser alone differs: AdamW for 60 epochs, which takes minutes. ``optimizer="sgd",
    learning_rate=0.01, epochs=250, batch_size=4096`` is the published recipe to the letter.
    """

    n_neighbors: tuple[Count, ...] = (10, 5, 3)
    n_levels: tuple[Count, ...] = (2, 3, 4)
    hidden_features: Count = 512
    n_convolutions: int = 1
    convolution: str = "mean"
    n_heads: Count = 1
    dropout: Share = 0.0
    use_cluster_features: bool = True
    balance: bool = True
    focal_gamma: NotNegative = 0.0
    optimizer: str = "adamw"  # adamw | sgd (momentum .9)
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
        Optimiser steps of the networks that link items and clusters, one connected part of a graph each.
    n_starter_steps : int
        Steps of a throw-away network whose linkage makes the second training graph of items, and of another one that
        makes the clusters of clusters.
    n_context_steps : int
        Of the network that corrects the linkage of items by what is usual in their set. Only where many sets are
        learned from, as with `n_drawn`: in a single one nothing is unusual.
    n_thinned : int
        Learn from so many copies of the labelled set with classes unevenly thinned, in place of the set itself: where
        labelled classes are of even sizes and those to be clustered are not. 0 learns from the set as it is.
    n_drawn : int
        Learn from so many drawn worlds beside the labelled set (42 hold every width and size), and fewer sets of three
        other kinds, see `hilander.training.general_sets.sets_beside`: where classes to be clustered are of another kind
        than the labelled ones. Many of the steps are theirs, so at least twice as many are needed; with 42 it takes 9
        to 11 GB. The networks that correct the linkage and link clusters see as many others in place of these worlds,
        some with classes that hardly differ.
    n_cores, core_size : int
        At most so many parts are cut out of each graph, of so many nodes without the halo of their neighbours.
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
    n_starter_steps: Count = 100
    n_context_steps: Count = 3000
    n_thinned: CountOrNone = 0
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

    variant: str = "hilander"  # hilander | published: the model that is put into service
    compare_with: tuple[str, ...] = ()  # variants that are trained beside it, for the report
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


@dataclass(frozen=True)
class EvaluateParams:
    """Which methods stand beside ours in the report."""

    baselines: tuple[str, ...] = (
        "kmeans",
        "hac_average",
        "hac_ward",
        "dbscan",
        "hdbscan",
        "connected_components",
        "chinese_whispers",
        "finch",
        "leiden",
        "infomap",
    )
    seed: Seed = 0


@dataclass(frozen=True)
class GateParams:
    """Floors that a trained model must keep on unseen classes before the flow puts it into service."""

    min_f_pairwise: Share = 0.0
    min_f_bcubed: Share = 0.0
    max_drop: Share | None = 0.01  # below the model in service; null: not compared
    beat_baselines: bool = True  # higher than the best of `evaluate.baselines`


@dataclass(frozen=True)
class MonitorParams:
    """What the monitoring flow looks at, and when it starts a training."""

    captures: str = "captures"  # folder or fsspec URL that the service writes incoming embeddings to
    window_hours: Hours = 24.0  # how far it looks back
    min_rows: Count = 500  # fewer incoming embeddings give no verdict
    max_rows: Count = 50_000  # of more, the latest
    sustained: Count = 3  # so many verdicts of drift in a row make it sustained
    retrain: bool = False  # start `train` on sustained drift
    cool_down_hours: Hours = 72.0  # between two trainings that drift started
    keep_reports: Count = 100  # the newest, of 5 MB each; of the last `sustained` verdicts in any case


@dataclass(frozen=True)
class Params:
    """All blocks of ``params.yaml``."""

    data: DataParams = field(default_factory=DataParams)
    validate: ValidateParams = field(default_factory=ValidateParams)
    encoder: EncoderParams = field(default_factory=EncoderParams)
    encode: EncodeParams = field(default_factory=EncodeParams)
    graph: GraphParams = field(default_factory=GraphParams)
    lander: LanderParams = field(default_factory=LanderParams)
    evaluate: EvaluateParams = field(default_factory=EvaluateParams)
    gate: GateParams = field(default_factory=GateParams)
    monitor: MonitorParams = field(default_factory=MonitorParams)


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check ``params.yaml``; keys left out take their defaults.

    Raises
    ------
    FileNotFoundError
        No such file.
    ConfigError
        The file is not YAML, a key is unknown, or a value has another type than its default or is out of its range.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected parameters in {path}, found no such file; run in the folder that holds it")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    params = from_mapping(Params, {} if raw is None else raw, where=str(path))
    check_params(params, str(path))
    return params


def check_params(params: Params, where: str) -> None:
    """Check every number against its range, those that only make sense together, and the variants' names.

    Parameters
    ----------
    params : Params
    where : str
        What an error calls the place that they come from.

    Raises
    ------
    ConfigError
        One is out of its range, or no variant is called so.
    """
    check_ranges(params, f"{where}: ")
    try:
        for variant in (params.lander.variant, *params.lander.compare_with):
            params.lander.params_of(variant)
    except ConfigError as error:  # else said once the encoder has been trained
        raise ConfigError(f"{where}: lander: {error}") from error
    monitor = params.monitor
    if monitor.max_rows < monitor.min_rows:
        raise ConfigError(
            f"{where}: monitor.max_rows must be at least monitor.min_rows ({monitor.min_rows:,}), since no verdict is "
            f"reached on fewer; got {monitor.max_rows:,}"
        )


def _given(block: Any) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(block).items() if value is not None}
