import torch

from hilander.encoder.augmentation import build_augmentation, random_quarter_turns


def test_distortions_keep_the_shape_and_the_range_and_follow_the_seed():
    images = torch.zeros(8, 1, 24, 24)
    images[:, :, 8:16, 11:13] = 1
    augment = build_augmentation(1.0)
    torch.manual_seed(0)
    first = augment(images)
    torch.manual_seed(0)
    assert torch.equal(augment(images), first)
    assert not torch.equal(augment(images), first)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert len({image.numpy().tobytes() for image in first}) == 8  # each its own distortion


def test_distortions_are_as_strong_as_they_say():
    images = torch.zeros(300, 1, 24, 24)
    images[:, :, 8:16, 8:16] = 1
    torch.manual_seed(0)
    found = build_augmentation(1.0)(images)[:, 0]
    ink = found.sum(dim=(1, 2))
    at = torch.arange(24.0) - 11.5
    moved = torch.stack([(found.sum(dim=axis) * at).sum(dim=1) / ink for axis in (1, 2)]).abs()
    assert moved.quantile(0.99) < 2.4 + 0.6  # a tenth of 24 pixels, and what bending adds
    assert moved.quantile(0.9) > 1.5
    assert ink.quantile(0.01) < 64 * 0.75 < 64 * 1.25 < ink.quantile(0.99)  # scaled to either side
    assert 64 * 0.55 < ink.min() < ink.max() < 64 * 1.6


def test_strength_nil_changes_nothing():
    images = torch.rand(4, 1, 16, 16)
    assert torch.equal(build_augmentation(0.0)(images), images)


def test_quarter_turns_make_four_classes_of_each():
    torch.manual_seed(0)
    images, labels = torch.rand(64, 1, 5, 5), torch.arange(64) % 3
    before = images.clone()
    turned, turned_labels = random_quarter_turns(images, labels)
    assert torch.equal(images, before)
    assert set(turned_labels.tolist()) == set(range(12))
    for image, result, label, turned_label in zip(images, turned, labels, turned_labels, strict=True):
        assert turned_label // 4 == label
        assert torch.equal(result, torch.rot90(image, int(turned_label % 4), (1, 2)))
