import numpy as np
import pytest
import torch

from hilander.encoder.augmentation import build_augmentation, build_mirror, random_quarter_turns


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


def distorted_coordinates(strength, n=400, size=48):
    """Where in the image the middle of each distorted one comes from: (n, 2, pixels), in pixels off the centre.

    Slopes from side to side and from top to bottom are distorted alike; far from the border, an affine map leaves them
    planes.
    """
    slope = (torch.arange(float(size)) - (size - 1) / 2).expand(n, 1, size, size)
    found = []
    for image in (slope, slope.transpose(2, 3)):
        torch.manual_seed(0)
        found.append(build_augmentation(strength)(image)[:, 0, 16:32, 16:32].flatten(1))
    return torch.stack(found, dim=1).double().numpy()


def affine_part(coordinates):
    """The planes that fit best (n, 2, 3), and what is apart from them, in the shape of `coordinates`."""
    y, x = (axis.ravel() - 7.5 for axis in np.mgrid[:16, :16])
    plane = np.stack([x, y, np.ones_like(x)])
    fitted = coordinates @ np.linalg.pinv(plane)
    return fitted, coordinates - fitted @ plane


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_half_of_the_images_are_bent_along_both_axes_by_the_strength(strength):
    _, apart = affine_part(distorted_coordinates(strength))
    bent = np.abs(apart).max(axis=(1, 2)) > 0.01
    assert bent.mean() == pytest.approx(0.5, abs=0.08)
    assert np.abs(apart[~bent]).max() < 1e-4
    np.testing.assert_allclose(np.median(apart[bent].std(axis=2), axis=0), 0.3 * strength, atol=0.05 * strength)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_images_are_turned_sheared_scaled_and_shifted_as_far_as_is_said(strength):
    fitted, apart = affine_part(distorted_coordinates(strength))
    fitted = fitted[np.abs(apart).max(axis=(1, 2)) < 0.01]
    forth = np.linalg.inv(fitted[:, :, :2])
    shift = (forth @ fitted[:, :, 2:])[:, :, 0]
    zoom = np.sqrt(np.linalg.det(forth))  # a turn and shears leave areas as they are
    forth /= zoom[:, None, None]
    # forth = turn · [[1, a], [b, 1 + ab]]: of the two turns that leave a 1 there, the one without a large angle.
    length, middle = np.hypot(forth[:, 0, 0], forth[:, 1, 0]), np.arctan2(forth[:, 1, 0], forth[:, 0, 0])
    candidates = []
    for turn in (middle - np.arccos(1 / length), middle + np.arccos(1 / length)):
        cosine, sine = np.cos(turn), np.sin(turn)
        sheared = np.stack([np.stack([cosine, sine], 1), np.stack([-sine, cosine], 1)], 1) @ forth
        candidates.append(np.degrees([turn, np.arctan(sheared[:, 0, 1]), np.arctan(sheared[:, 1, 0])]))
    first, second = candidates
    angles = np.where(np.abs(first).max(axis=0) < np.abs(second).max(axis=0), first, second)
    for amounts, largest in (*((angle, 10) for angle in angles), *((pixels, 4.8) for pixels in shift.T)):
        assert 0.9 * largest * strength < amounts.max() < 1.001 * largest * strength
        assert 0.9 * largest * strength < -amounts.min() < 1.001 * largest * strength
    assert 1 - 0.2 * strength < zoom.min() < 1 - 0.18 * strength
    assert 1 + 0.18 * strength < zoom.max() < 1 + 0.2 * strength


def test_strength_nil_changes_nothing():
    images = torch.rand(4, 1, 16, 16)
    assert torch.equal(build_augmentation(0.0)(images), images)


def test_what_comes_into_a_coloured_image_from_outside_is_its_border():
    color = torch.tensor([0.2, 0.9, 0.5])[None, :, None, None]
    images = color.expand(64, 3, 24, 24).contiguous()
    distorted = build_augmentation(1.0, color=True)(images)
    assert torch.allclose(distorted, distorted[:, :, :1, :1].expand_as(distorted), atol=1e-4)  # without dark corners
    assert distorted.min() >= 0
    assert distorted.max() <= 1


def test_colours_change_from_image_to_image_by_up_to_a_fifth():
    images = torch.full((300, 3, 16, 16), 0.5)
    brightness = build_augmentation(1.0, color=True)(images).mean(dim=(1, 2, 3))
    assert 0.4 <= brightness.min() < 0.43
    assert 0.57 < brightness.max() <= 0.6


@pytest.mark.parametrize("n_channels", [1, 3])
def test_half_of_the_images_are_mirrored(n_channels):
    images = torch.rand(1, n_channels, 8, 8).repeat(200, 1, 1, 1)
    found = build_mirror(True)(images)
    mirrored = (found == images.flip(3)).flatten(1).all(dim=1)
    assert ((found == images).flatten(1).all(dim=1) | mirrored).all()
    assert 70 < mirrored.sum() < 130
    assert torch.equal(build_mirror(False)(images), images)


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
