import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import affine_transform

from hilander.encoder import load_encoder
from hilander.encoder.images import prepare_images
from hilander.encoder.torch_encoder import TorchEncoder, to_input
from hilander.encoder.views import views


def resampled(image, angle, zoom):
    """The image about its centre, turned anticlockwise and scaled, by SciPy."""
    a = np.radians(angle)
    to_image = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) / zoom  # of (row, column)
    centre = (np.array(image.shape) - 1) / 2
    return affine_transform(image, to_image, centre - to_image @ centre, order=1)


def test_views_are_the_image_turned_and_scaled_about_its_centre():
    size = 20
    image = np.zeros((size, size), np.float32)
    image[4:9, 6:15] = np.random.default_rng(0).random((5, 9), np.float32)
    found = [view[0, 0].numpy() for view in views(torch.from_numpy(image)[None, None])]
    np.testing.assert_array_equal(found[0], image)
    expected = [resampled(image, angle, zoom) for angle, zoom in ((7, 1), (-7, 1), (0, 1.1), (0, 0.9))]
    for view, other in zip(found[1:], expected, strict=True):
        np.testing.assert_allclose(view, other, atol=1e-4)


def test_what_comes_in_from_outside_is_ground():
    *_, smaller = views(torch.ones(1, 1, 40, 40))
    assert (smaller[..., 0, :] == 0).all()
    torch.testing.assert_close(smaller[..., 3:-3, 3:-3], torch.ones(1, 1, 34, 34))


def test_what_comes_into_a_coloured_image_from_outside_is_its_border():
    image = torch.tensor([0.2, 0.9, 0.5])[None, :, None, None].expand(1, 3, 40, 40)
    for view in views(image):
        torch.testing.assert_close(view, image)


@pytest.mark.parametrize("network", ["resnet", "conv"])
def test_an_embedding_is_the_mean_over_the_views(drawings, tmp_path, network):
    plain = TorchEncoder(network, 24, 4, 6)
    averaged = TorchEncoder(network, 24, 4, 6, average_views=True)
    averaged.network.load_state_dict(plain.network.state_dict())
    images = drawings[0][:5]
    with torch.inference_mode():
        inputs = to_input(prepare_images(images, 24), torch.device("cpu"))
        each = [torch.nn.functional.normalize(plain.network(view)) for view in views(inputs)]
    mean = sum(each).numpy()
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(averaged.encode(images), expected, atol=1e-5)

    averaged.save(tmp_path)
    np.testing.assert_array_equal(load_encoder(tmp_path).encode(images), averaged.encode(images))


def test_small_turns_move_an_averaged_embedding_less(drawings):
    plain = TorchEncoder("resnet", 24, 8, 16)
    averaged = TorchEncoder("resnet", 24, 8, 16, average_views=True)
    averaged.network.load_state_dict(plain.network.state_dict())
    images = drawings[0][::8]
    turned = [image.rotate(5, Image.Resampling.BILINEAR, fillcolor=255) for image in images]

    def cosine(encoder):
        return float((encoder.encode(images) * encoder.encode(turned)).sum(axis=1).mean())

    assert cosine(averaged) > cosine(plain)
