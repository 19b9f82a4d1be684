"""An encoder that learns from the clusters of the images it is to cluster."""

import dataclasses

import numpy as np
import pytest
import torch

import hilander.self_training as self_training
from hilander.config import EncoderParams, NetworkParams, SelfTrainingParams
from hilander.encoder import train_encoder
from hilander.encoder.identity_encoder import IdentityEncoder
from hilander.estimator import HiLander
from hilander.metrics import one_nn_accuracy
from hilander.self_training import self_train

PARAMS = EncoderParams(
    image_size=24, width=16, embedding_size=32, epochs=8, batch_size=32, learning_rate=0.01, augmentation=0.5
)
SHORT = SelfTrainingParams(rounds=2, epochs=3, learning_rate=0.005)


@pytest.fixture(scope="module")
def parts(draw_characters):
    """Labelled drawings of 24 characters; drawings of 24 others, and their classes."""
    drawn = list(draw_characters(48, 10, side=24, margin=3, shake=2))
    images, classes = [image for _, _, image in drawn], np.array([character for character, _, _ in drawn])
    labelled = classes % 2 == 0
    named = np.array([f"character{character:02d}" for character in classes[labelled]])
    return (
        [images[i] for i in np.flatnonzero(labelled)], named,
        [images[i] for i in np.flatnonzero(~labelled)], classes[~labelled],
    )  # fmt: skip


@pytest.fixture(scope="module")
def encoder(parts):
    return train_encoder(*parts[:2], PARAMS)[0]


@pytest.fixture(scope="module")
def told():
    """Rounds, as `trained` was told of them."""
    return {}


@pytest.fixture(scope="module")
def trained(parts, encoder, told):
    return self_train(encoder, *parts[:3], PARAMS, params=SHORT, after_round=told.__setitem__)


def test_images_are_told_apart_better_by_an_encoder_that_learned_from_their_clusters(parts, encoder, trained):
    labelled, named, images, classes = parts
    longer = dataclasses.replace(PARAMS, epochs=SHORT.rounds * SHORT.epochs, learning_rate=SHORT.learning_rate)
    control, _ = train_encoder(labelled, named, longer, start_from=encoder)
    before, as_long, after = (
        one_nn_accuracy(each.encode(images), classes) for each in (encoder, control, trained.encoder)
    )
    assert after > max(before, as_long) + 0.03


def test_the_clusterer_is_that_of_the_encoder_and_each_round_is_told(parts, trained, told):
    images = parts[2]
    assert told == dict(enumerate(trained.rounds, start=1))
    assert len(trained.rounds) == SHORT.rounds
    for each in trained.rounds:
        assert 3 * each.n_learned_clusters <= each.n_learned_items <= len(images)
        assert 0 < each.agreement <= 1
    assert np.array_equal(trained.encoder.encode(images), trained.embeddings)
    assert np.array_equal(trained.encoder.encode(parts[0]), trained.labelled_embeddings)
    again = HiLander(trained.clusterer.model).fit(trained.embeddings)
    assert np.array_equal(again.labels_, trained.clusterer.labels_)
    assert trained.rounds[-1].n_clusters == again.labels_.max() + 1


def test_only_sure_members_of_clusters_of_three_are_learned_from():
    clusterer = HiLander()
    clusterer.labels_ = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 3])
    clusterer.probabilities_ = np.array([0.9, 0.5, 0.4, 0.8, 0.9, 0.9, 0.1, 1, 1, 1], np.float32)
    clusterer.peaks_ = np.array([0, 4, 7, 9])
    rows, pseudo_labels = self_training._learned_from(clusterer)
    assert rows.tolist() == [0, 1, 3]
    assert pseudo_labels.tolist() == [0, 0, 0]


def test_an_interrupted_run_carries_on_to_the_same_result(parts, encoder, trained, tmp_path, monkeypatch):
    start = {name: value.clone() for name, value in encoder.network.state_dict().items()}
    whole = self_training._cluster
    calls = []

    def pull_the_plug(*arguments):
        calls.append(arguments)
        if len(calls) == 2:  # when the first round's encoder is trained
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(self_training, "_cluster", pull_the_plug)
    with pytest.raises(KeyboardInterrupt):
        self_train(encoder, *parts[:3], PARAMS, params=SHORT, checkpoint_folder=tmp_path)
    monkeypatch.undo()
    written = (tmp_path / "round_1" / "network_0" / "checkpoint.pt").stat().st_mtime_ns
    resumed = self_train(encoder, *parts[:3], PARAMS, params=SHORT, checkpoint_folder=tmp_path)
    assert (tmp_path / "round_1" / "network_0" / "checkpoint.pt").stat().st_mtime_ns == written
    assert np.array_equal(resumed.clusterer.labels_, trained.clusterer.labels_)
    assert all(torch.equal(value, start[name]) for name, value in encoder.network.state_dict().items())


def test_an_ensemble_with_classes_by_rotation_and_whitening_learns_further(parts):
    labelled, named, images, _ = parts
    params = dataclasses.replace(
        PARAMS, epochs=4, rotate_classes=True, whitening=0.3, average_views=True,
        ensemble=(NetworkParams(), NetworkParams(width=8, epochs=5)),
    )  # fmt: skip
    encoder, _ = train_encoder(labelled, named, params)
    with pytest.raises(ValueError, match="it is one with whitening, and they describe one without; set"):
        self_train(encoder, labelled, named, images, dataclasses.replace(params, whitening=None))
    result = self_train(encoder, labelled, named, images, params, params=dataclasses.replace(SHORT, rounds=1))
    assert [member.width for member in result.encoder.members] == [16, 8]
    assert len(result.encoder.whitenings) == 2
    assert np.allclose(result.encoder.encode(images), result.embeddings, atol=1e-6)
    assert len(result.clusterer.labels_) == len(images)


def test_input_that_cannot_be_learned_from_is_told_before_any_work(parts, encoder, monkeypatch):
    labelled, named, images, _ = parts
    monkeypatch.setattr(self_training, "_cluster", lambda *_: pytest.fail("work was done"))
    with pytest.raises(ValueError, match=r"it is resnet \(image_size 24, width 16.*describe resnet \(.*width 8"):
        self_train(encoder, labelled, named, images, dataclasses.replace(PARAMS, width=8))
    with pytest.raises(ValueError, match=r"encoder\.whitening must be above 0"):
        self_train(encoder, labelled, named, images, dataclasses.replace(PARAMS, whitening=2.0))
    for key, value in (("whitening", 0.3), ("average_views", True)):
        with pytest.raises(ValueError, match=f"it is one without {key}, and they describe one with; set"):
            self_train(encoder, labelled, named, images, dataclasses.replace(PARAMS, **{key: value}))
    with pytest.raises(ValueError, match="only encoders that were trained here"):
        self_train(IdentityEncoder(4), labelled, named, images, PARAMS)
    with pytest.raises(ValueError, match=r"rounds must be .* got 0"):
        self_train(encoder, labelled, named, images, PARAMS, params=SelfTrainingParams(rounds=0))
    with pytest.raises(ValueError, match="labels"):
        self_train(encoder, labelled, named[1:], images, PARAMS)


def test_images_without_clusters_end_with_advice(parts, encoder, monkeypatch):
    labelled, named, images, _ = parts
    with pytest.raises(ValueError, match="nothing to learn from; bring more images"):
        self_train(encoder, labelled, named, images[:2], PARAMS)
