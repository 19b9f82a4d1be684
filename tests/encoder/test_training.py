import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops
from tqdm import tqdm

import hilander.encoder.network_training as network_training
from hilander.config import EncoderParams
from hilander.data import split_classes
from hilander.encoder import load_encoder, train_encoder
from hilander.encoder.images import prepare_images
from hilander.encoder.torch_encoder import TorchEncoder
from hilander.encoder.training_run import TrainingRun
from hilander.metrics import one_nn_accuracy

PARAMS = EncoderParams(
    image_size=24, width=16, embedding_size=32, epochs=8, batch_size=32, learning_rate=0.01, augmentation=0.5
)
SHORT = dataclasses.replace(PARAMS, width=8, epochs=4, held_out_share=0.25)


def same_weights(one, other):
    weights, others = one.network.state_dict(), other.network.state_dict()
    return all(torch.equal(weights[key], others[key]) for key in weights)


def test_unseen_classes_are_told_apart_better_than_by_an_untrained_network(drawings):
    labels = drawings[1]
    rng = np.random.default_rng(0)
    images = [ImageChops.offset(image, *rng.integers(-4, 5, 2).tolist()) for image in drawings[0]]
    unseen = split_classes(labels, 0.4, seed=1)
    encoder, history = train_encoder([images[i] for i in np.flatnonzero(~unseen)], labels[~unseen], PARAMS)
    assert [record.epoch for record in history] == list(range(1, 9))
    assert history[-1].loss < 0.5 * history[0].loss
    torch.manual_seed(0)
    untrained = TorchEncoder("resnet", 24, 16, 32)
    new = [images[i] for i in np.flatnonzero(unseen)]
    before, after = (one_nn_accuracy(e.encode(new), labels[unseen]) for e in (untrained, encoder))
    assert after > before + 0.1


@pytest.mark.parametrize(("color", "told_apart"), [("auto", True), ("grey", False)])
def test_classes_that_differ_in_colour_alone_are_told_apart_by_it(tmp_path, color, told_apart):
    rng = np.random.default_rng(0)
    images, labels = [], np.repeat(np.arange(24), 8)
    for label in labels:
        hue = Image.new("HSV", (24, 24), (int(label * 256 / 24), 200, 255)).convert("RGB")
        level = rng.uniform(0.4, 0.9) * 255 / np.asarray(hue.convert("L"))[0, 0]  # of brightness, which tells nothing
        paper = Image.new("RGB", (24, 24), "white")
        paper.paste(hue.point(lambda value, level=level: round(value * level)), (6, 6))
        images.append(paper)
    unseen = labels % 3 == 0
    seen = [image for image, new in zip(images, unseen, strict=True) if not new]
    params = dataclasses.replace(SHORT, name="conv", color=color, epochs=15, held_out_share=0.0)
    encoder, _ = train_encoder(seen, labels[~unseen], params)
    encoder.save(tmp_path / "encoder")
    embeddings = load_encoder(tmp_path / "encoder").encode([images[i] for i in np.flatnonzero(unseen)])
    found = one_nn_accuracy(embeddings, labels[unseen])
    assert found > 0.9 if told_apart else found < 0.5


@pytest.mark.parametrize("rotate_classes", [False, True])
def test_an_interrupted_run_carries_on_to_the_same_weights(drawings, tmp_path, monkeypatch, rotate_classes):
    params = dataclasses.replace(SHORT, rotate_classes=rotate_classes)
    whole, history = train_encoder(*drawings, params)

    def pull_the_plug(embeddings, labels):  # in the second epoch, when the first is on disk
        if any(tmp_path.rglob("*.pt")):
            raise KeyboardInterrupt
        return one_nn_accuracy(embeddings, labels)

    monkeypatch.setattr(network_training, "one_nn_accuracy", pull_the_plug)
    with pytest.raises(KeyboardInterrupt):
        train_encoder(*drawings, params, checkpoint_folder=tmp_path)
    monkeypatch.undo()
    torch.manual_seed(123)  # whatever the caller drew meanwhile
    resumed, resumed_history = train_encoder(*drawings, params, checkpoint_folder=tmp_path)
    assert same_weights(resumed, whole)
    assert [dataclasses.replace(record, seconds=0) for record in resumed_history] == [
        dataclasses.replace(record, seconds=0) for record in history
    ]


@pytest.mark.parametrize("mirror", [False, True])
def test_a_quarter_turn_of_a_class_shows_it_turned_that_far_mirrored_before_if_at_all(drawings, mirror):
    params = dataclasses.replace(SHORT, augmentation=0.0, rotate_classes=True, mirror=mirror)
    images, classes = prepare_images(drawings[0], 24), np.unique(drawings[1], return_inverse=True)[1]
    run = TrainingRun(images, classes, params)
    seen, told = [], []
    run.encoder.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    run.head.register_forward_pre_hook(lambda _, inputs: told.append(inputs[1]))
    run.train_epoch(tqdm(disable=True))
    n_mirrored = 0
    for image, label in zip(torch.cat(seen[: len(told)]), torch.cat(told).tolist(), strict=True):
        upright = torch.rot90(image, -(label % 4), (1, 2)).mul(255).round().byte()
        own = images[classes == label // 4]
        as_drawn, mirrored = ((own == each).flatten(1).all(dim=1).any() for each in (upright, upright.flip(2)))
        assert as_drawn or (mirror and mirrored)
        n_mirrored += bool(mirrored and not as_drawn)
    assert (n_mirrored > len(images) // 3) == mirror


def test_the_state_of_other_data_or_parameters_is_not_picked_up(drawings, tmp_path):
    images, labels = drawings
    train_encoder(images, labels, SHORT, checkpoint_folder=tmp_path)
    other = dataclasses.replace(SHORT, seed=1)
    resumed, _ = train_encoder(images, labels, other, checkpoint_folder=tmp_path)
    assert same_weights(resumed, train_encoder(images, labels, other)[0])
    renamed = np.char.replace(labels, "character", "letter")  # in the same order, but other ones are held out
    resumed, _ = train_encoder(images, renamed, other, checkpoint_folder=tmp_path)
    assert same_weights(resumed, train_encoder(images, renamed, other)[0])
    resumed, _ = train_encoder(images, labels, other, checkpoint_folder=tmp_path)
    (tmp_path / "network_0" / "checkpoint.pt").write_bytes(b"half a file")
    restarted, _ = train_encoder(images, labels, other, checkpoint_folder=tmp_path)
    assert same_weights(restarted, resumed)


def test_a_training_begins_with_the_weights_of_an_encoder(drawings, tmp_path):
    params = dataclasses.replace(SHORT, epochs=1, learning_rate=1e-6)
    start, _ = train_encoder(*drawings, dataclasses.replace(SHORT, epochs=3))
    before = {name: value.clone() for name, value in start.network.state_dict().items()}
    further, _ = train_encoder(*drawings, params, start_from=start, checkpoint_folder=tmp_path)
    assert all(torch.allclose(weights, before[name], atol=1e-4) for name, weights in further.network.named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in start.network.state_dict().items())
    # Its state is not that of a training that begins elsewhere.
    anew, _ = train_encoder(*drawings, params, checkpoint_folder=tmp_path)
    assert same_weights(anew, train_encoder(*drawings, params)[0])
    assert same_weights(further, train_encoder(*drawings, params, start_from=start)[0])


def test_a_checkpoint_that_holds_something_else_is_not_picked_up(drawings, tmp_path):
    params = dataclasses.replace(SHORT, epochs=1)
    (tmp_path / "network_0").mkdir()
    torch.save([1, 2], tmp_path / "network_0" / "checkpoint.pt")
    restarted, _ = train_encoder(*drawings, params, checkpoint_folder=tmp_path)
    assert same_weights(restarted, train_encoder(*drawings, params)[0])


@pytest.mark.parametrize("held_out_share", [0.0, 0.25])
@pytest.mark.parametrize("batch_size", [32, 1000], ids=["in the midst of an epoch", "in its last step"])
def test_a_training_that_diverges_ends_with_the_epoch_and_the_advice(drawings, held_out_share, batch_size):
    params = dataclasses.replace(SHORT, learning_rate=1e9, held_out_share=held_out_share, batch_size=batch_size)
    with pytest.raises(
        ValueError, match=r"diverged in epoch 1: .* lower encoder\.learning_rate, which is 1000000000\.0"
    ):
        train_encoder(*drawings, params)


def test_the_best_epoch_is_kept_and_random_numbers_of_the_caller_are_not_touched(drawings, monkeypatch):
    scores = iter([0.5, 0.9, 0.9, 0.1])
    kept = []
    monkeypatch.setattr(
        network_training, "one_nn_accuracy", lambda embeddings, _: kept.append(embeddings) or next(scores)
    )
    state = torch.get_rng_state()
    encoder, _ = train_encoder(*drawings, SHORT)
    assert torch.equal(torch.get_rng_state(), state)
    held_out = split_classes(drawings[1], SHORT.held_out_share, SHORT.seed)
    embeddings = encoder.encode([drawings[0][i] for i in np.flatnonzero(held_out)])
    assert np.allclose(embeddings, kept[2], atol=1e-5)
    assert not np.allclose(embeddings, kept[3], atol=1e-3)


def test_without_held_out_classes_the_last_epoch_is_taken(drawings):
    params = dataclasses.replace(SHORT, held_out_share=0.0, epochs=1, name="conv", loss="cosface")
    encoder, history = train_encoder(*drawings, params)
    assert np.isnan(history[0].held_out_one_nn)
    assert encoder.encode(drawings[0][:2]).shape == (2, 32)


@pytest.mark.parametrize("rows", [np.arange(24), np.arange(0, 192, 8)], ids=["of one class", "of one item each"])
def test_held_out_classes_that_tell_nothing_have_no_accuracy_and_the_last_epoch_is_taken(drawings, rows):
    images, labels = [drawings[0][i] for i in rows], drawings[1][rows]
    encoder, history = train_encoder(images, labels, dataclasses.replace(SHORT, epochs=2))
    assert np.isnan([record.held_out_one_nn for record in history]).all()
    held_out = split_classes(labels, SHORT.held_out_share, SHORT.seed)
    run = TrainingRun(
        prepare_images([images[i] for i in np.flatnonzero(~held_out)], 24),
        np.unique(labels[~held_out], return_inverse=True)[1],
        dataclasses.replace(SHORT, epochs=2),
    )
    for record in history:
        assert run.train_epoch(tqdm(disable=True)) == record.loss
        run.keep(record)
    assert same_weights(encoder, run.encoder)


def test_too_few_classes_and_wrong_labels_are_refused(drawings):
    images, labels = drawings
    with pytest.raises(
        ValueError, match=r"got 1, and 1 held out\. Add labelled classes, or set encoder\.held_out_share"
    ):
        train_encoder(images[:16], labels[:16], SHORT)
    with pytest.raises(ValueError, match=r"2 classes to train on; got 1, and 0 held out\. Add labelled classes$"):
        train_encoder(images[:8], labels[:8], SHORT)
    with pytest.raises(ValueError, match=r"2 classes to train on; got 0, and 0 held out\. Add labelled classes$"):
        train_encoder([], [], SHORT)
    with pytest.raises(ValueError, match="labels must have shape"):
        train_encoder(images, labels[:-1], SHORT)
    with pytest.raises(ValueError, match=r"encoder\.batch_size must be from 2"):
        train_encoder(images, labels, dataclasses.replace(SHORT, batch_size=1))


@pytest.mark.parametrize("kind", ["bytes", "bytes as objects", "strings of any length"])
def test_labels_are_bytes_or_strings_of_any_kind(drawings, kind):
    images, labels = drawings
    params = dataclasses.replace(SHORT, epochs=1)
    named = np.char.replace(labels, "character", "Zeichen für ")
    encoded = np.char.encode(named, "utf-8")
    others = {
        "bytes": encoded,
        "bytes as objects": encoded.astype(object),
        "strings of any length": named.astype(np.dtypes.StringDType()),
    }
    encoder, _ = train_encoder(images, others[kind], params)
    assert same_weights(encoder, train_encoder(images, named, params)[0])
