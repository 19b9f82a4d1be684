import pytest
import torch

from hilander.encoder.networks import ConvNet, ResNet


@pytest.mark.parametrize("network", [ResNet, ConvNet])
@pytest.mark.parametrize("size", [16, 17, 32, 49])
def test_any_size_of_image_gives_the_asked_width(network, size):
    embeddings = network(image_size=size, width=8, embedding_size=10).eval()(torch.rand(3, 1, size, size))
    assert embeddings.shape == (3, 10)
    assert embeddings.isfinite().all()


@pytest.mark.parametrize("network", [ResNet, ConvNet])
def test_an_embedding_does_not_depend_on_its_batch_and_every_weight_learns(network):
    torch.manual_seed(0)
    model = network(image_size=24, width=8, embedding_size=10)
    images = torch.rand(6, 1, 24, 24)
    model(images).square().sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())
    model.eval()
    assert torch.allclose(model(images)[2:4], model(images[2:4]), atol=1e-6)


def test_a_larger_image_gets_more_stages_so_that_few_positions_are_left():
    weights = [ResNet(image_size=size, width=8, embedding_size=10).embed.linear.weight for size in (28, 40, 48, 64)]
    assert [weight.shape[1] for weight in weights] == [32 * 4**2, 32 * 5**2, 64 * 3**2, 64 * 4**2]


def test_where_a_stroke_lies_is_not_pooled_away():
    torch.manual_seed(0)
    network = ResNet(image_size=32, width=8, embedding_size=10).eval()
    image = torch.zeros(1, 1, 32, 32)
    image[..., 12:20, 12:20] = 1
    moved = image.roll(8, dims=-1)  # by a multiple of all strides, away from the border
    pooled, pooled_moved = (network.stages(network.stem(x)).mean(dim=(2, 3)) for x in (image, moved))
    near, far = (pooled - pooled_moved).norm() / pooled.norm(), (network(image) - network(moved)).norm()
    assert far / network(image).norm() > 2 * near


def test_images_that_conv_4_cannot_halve_four_times_are_refused():
    with pytest.raises(ValueError, match="at least 16 pixels a side"):
        ConvNet(image_size=15, width=8, embedding_size=10)
