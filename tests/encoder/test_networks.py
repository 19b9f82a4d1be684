import pytest
import torch

from hilander.encoder.networks import ConvNet, ResNet


@pytest.mark.parametrize("network", [ResNet, ConvNet])
@pytest.mark.parametrize("size", [16, 17, 32, 49])
def test_any_size_of_image_gives_the_asked_width(network, size):
    embeddings = network(width=8, embedding_size=10).eval()(torch.rand(3, 1, size, size))
    assert embeddings.shape == (3, 10)
    assert embeddings.isfinite().all()


@pytest.mark.parametrize("network", [ResNet, ConvNet])
def test_an_embedding_does_not_depend_on_its_batch_and_every_weight_learns(network):
    torch.manual_seed(0)
    model = network(width=8, embedding_size=10)
    images = torch.rand(6, 1, 24, 24)
    model(images).square().sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())
    model.eval()
    assert torch.allclose(model(images)[2:4], model(images[2:4]), atol=1e-6)
