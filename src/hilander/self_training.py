"""Let an encoder learn from the very images that are to be clustered, taking their clusters for classes.

An encoder sees sharpest what it has learned from, and the classes that are to be clustered are none of these. But their
images are there, and their clusters are right for the most part. So the encoder is trained further on the labelled
classes and on these clusters together, embeds all images anew, and both steps repeat. Training on one's own clusters is
known from DeepCluster (Caron et al., ECCV 2018) and from matching people between cameras (Fan et al., *Unsupervised
Person Re-identification: Clustering and Fine-tuning*, TOMM 2018). Here the clusterer learns anew in every round how
clusters of the labelled classes look, and the labelled classes stay in the training, which keeps it from agreeing with
itself more and more.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from hilander.allowed_values import check_values
from hilander.config import EncoderParams, RelationalParams, SelfTrainingParams
from hilander.embeddings import check_embeddings, check_labels
from hilander.encoder.base import Encoder
from hilander.encoder.check_params import check_encoder_params
from hilander.encoder.ensemble_encoder import EnsembleEncoder
from hilander.encoder.images import ImageSequence
from hilander.encoder.torch_encoder import TorchEncoder
from hilander.encoder.training import combine, networks_to_start_from, train_networks
from hilander.estimator import HiLander
from hilander.metrics import score
from hilander.training.train_lander import train_lander

logger = logging.getLogger(__name__)

_LEAST_PROBABILITY = 0.5  # of the items that are learned from
_SMALLEST_CLUSTER = 3  # of such items; of fewer there is little to learn
_N_SEEDS = 2**32


@dataclass(frozen=True)
class SelfTrainingRound:
    """What one round came to.

    Attributes
    ----------
    n_learned_clusters, n_learned_items : int
        Clusters that were learned from, and the images in them.
    n_clusters : int
        Clusters that were found afterwards, those of one image included.
    agreement : float
        Pairwise F between the clusters before and after; 1 says that nothing moves any more.
    """

    n_learned_clusters: int
    n_learned_items: int
    n_clusters: int
    agreement: float


@dataclass(frozen=True)
class SelfTraining:
    """What `self_train` returns.

    Attributes
    ----------
    encoder : Encoder
        Trained further.
    clusterer : HiLander
        With a model of the labelled classes as this encoder embeds them, fitted to the images.
    labelled_embeddings, embeddings : ndarray of shape (n, d) and (m, d), float32
        Of the labelled images and of those that are clustered, by this encoder.
    rounds : list of SelfTrainingRound
    """

    encoder: Encoder
    clusterer: HiLander
    labelled_embeddings: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    rounds: list[SelfTrainingRound]


def self_train(
    encoder: Encoder,
    labelled: ImageSequence,
    labels: ArrayLike,
    images: ImageSequence,
    encoder_params: EncoderParams,
    *,
    params: SelfTrainingParams | None = None,
    lander: RelationalParams | None = None,
    random_state: int = 0,
    checkpoint_folder: str | Path | None = None,
    after_round: Callable[[int, SelfTrainingRound], None] | None = None,
    show_progress: bool = False,
) -> SelfTraining:
    """Cluster `images`, train the encoder further on the clusters, cluster them again.

    It pays where the images to be clustered are many and at hand before the clusters are needed. The encoder has then
    seen them; further classes, whose images it has not seen, profit less. Where there are more than memory holds at the
    encoder's size, a sample of them is enough to learn from; `encoder` and the clusterer's model then cluster all.

    Parameters
    ----------
    encoder : Encoder
        One that `train_encoder` has trained on the labelled classes; it is left as it is.
    labelled : sequence of PIL.Image.Image, length n
    labels : (n,)
        Classes of `labelled`.
    images : sequence of PIL.Image.Image, length m
        Of unknown classes; the small ones are held in memory, as `train_encoder` does.
    encoder_params : EncoderParams
        What the encoder was trained with. Every network's ``epochs`` and ``learning_rate`` are those of `params`, and
        no classes are held out: the last epoch is taken.
    params : SelfTrainingParams, optional
    lander : RelationalParams, optional
        Settings of the clusterer's training.
    random_state : int
        Seed of the clusterer; the same input gives the same result on the same machine.
    checkpoint_folder : str or Path, optional
        State of the encoder's training is kept here after every epoch, and picked up by the next call with the same
        input.
    after_round : callable, optional
        Told the number of each round, from 1, and what it came to.
    show_progress : bool
        Draw progress bars.

    Returns
    -------
    SelfTraining

    Raises
    ------
    ValueError
        A parameter out of its range, an encoder that was trained elsewhere or with other parameters, labels of another
        length or missing, or images of which no three surely belong together.
    ImportError
        The extra ``encoder`` is not installed.
    """
    params = params or SelfTrainingParams()
    check_values(params, "")
    check_encoder_params(encoder_params)
    starts, _ = networks_to_start_from(encoder, encoder_params)  # raises before any work is done
    _check_embeds_alike(encoder, starts, encoder_params)
    classes = check_labels(labels, len(labelled))
    shorter = _shorter(encoder_params, params)
    known, unknown = (encoder.encode(each, show_progress=show_progress) for each in (labelled, images))
    clusterer = _cluster(known, classes, unknown, lander, random_state, show_progress)
    rounds: list[SelfTrainingRound] = []
    for number in range(1, params.rounds + 1):
        rows, pseudo_labels = _learned_from(clusterer)
        logger.info("round %d of %d learns from %d of %d images", number, params.rounds, len(rows), len(images))
        all_classes = np.concatenate([classes, classes.max() + 1 + pseudo_labels])
        networks, _ = train_networks(
            _Joined(labelled, images, rows),
            all_classes,
            dataclasses.replace(shorter, seed=(shorter.seed + number) % _N_SEEDS),
            start_from=encoder,
            checkpoint_folder=None if checkpoint_folder is None else Path(checkpoint_folder) / f"round_{number}",
            show_progress=show_progress,
        )
        parts = [
            [network.encode(each, show_progress=show_progress) for network in networks] for each in (labelled, images)
        ]
        learned = [np.concatenate([own, other[rows]]) for own, other in zip(*parts, strict=True)]
        encoder = combine(networks, shorter, learned, all_classes)
        known, unknown = (_embeddings(encoder, part) for part in parts)
        before = clusterer.labels_
        clusterer = _cluster(known, classes, unknown, lander, random_state, show_progress)
        rounds.append(
            SelfTrainingRound(
                int(pseudo_labels.max()) + 1,
                len(rows),
                len(clusterer.peaks_),
                score(before, clusterer.labels_)["f_pairwise"],
            )
        )
        logger.info("%s", rounds[-1])
        if after_round is not None:
            after_round(number, rounds[-1])
    return SelfTraining(encoder, clusterer, known, unknown, rounds)


def _check_embeds_alike(encoder: Encoder, networks: Sequence[TorchEncoder], params: EncoderParams) -> None:
    """Refuse parameters that would leave out, or bring in, what turns the networks' outputs into embeddings."""
    whitened = isinstance(encoder, EnsembleEncoder) and bool(encoder.whitenings)
    for key, theirs, described in (
        ("average_views", all(network.average_views for network in networks), params.average_views),
        ("whitening", whitened, params.whitening is not None),
    ):
        if theirs != described:
            raise ValueError(
                f"expected the parameters that the encoder was trained with, but it is one {_with(theirs)} {key}, and "
                f"they describe one {_with(described)}; set encoder.{key} in params.yaml as it was"
            )


def _with(given: bool) -> str:
    return "with" if given else "without"


def _shorter(encoder_params: EncoderParams, params: SelfTrainingParams) -> EncoderParams:
    ensemble = tuple(dataclasses.replace(network, epochs=None) for network in encoder_params.ensemble)
    return dataclasses.replace(
        encoder_params,
        ensemble=ensemble,
        epochs=params.epochs,
        learning_rate=params.learning_rate,
        held_out_share=0.0,
    )


def _cluster(
    known: NDArray[np.float32],
    classes: NDArray[np.int64],
    unknown: NDArray[np.float32],
    lander: RelationalParams | None,
    random_state: int,
    show_progress: bool,
) -> HiLander:
    model = train_lander(known, classes, params=lander, random_state=random_state, show_progress=show_progress)
    return HiLander(model, random_state=random_state, show_progress=show_progress).fit(unknown)


def _embeddings(encoder: Encoder, by_network: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return what the encoder makes of images that each of its networks has embedded."""
    if isinstance(encoder, EnsembleEncoder):
        return check_embeddings(encoder.side_by_side(by_network))
    return by_network[0]


def _learned_from(clusterer: HiLander) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that surely belong to clusters of some size, and these as classes 0..C-1."""
    sure = clusterer.probabilities_ >= _LEAST_PROBABILITY
    sizes = np.bincount(clusterer.labels_[sure], minlength=len(clusterer.peaks_))
    rows = np.flatnonzero(sure & (sizes[clusterer.labels_] >= _SMALLEST_CLUSTER))
    if not len(rows):
        raise ValueError(
            f"no {_SMALLEST_CLUSTER} of {len(clusterer.labels_)} images surely belong together, so there is nothing to "
            "learn from; bring more images, or cluster with the encoder as it is"
        )
    return rows, np.unique(clusterer.labels_[rows], return_inverse=True)[1].astype(np.int64)


class _Joined:
    """The labelled images, then those at `rows` of the others; none is read before it is asked for."""

    def __init__(self, labelled: ImageSequence, images: ImageSequence, rows: Sequence[int] | NDArray[np.int64]) -> None:
        self._labelled, self._images, self._rows = labelled, images, rows

    def __len__(self) -> int:
        return len(self._labelled) + len(self._rows)

    def __getitem__(self, i: int) -> Image.Image:
        n = len(self._labelled)
        return self._labelled[i] if i < n else self._images[int(self._rows[i - n])]
