"""Linear layers at inference: by oneDNN, or by torch where that is missing."""

import numpy as np
import pytest
import torch

from hilander.nn import linear as module
from hilander.nn.linear import Linear, linear


@pytest.fixture(params=["oneDNN", "torch"])
def way(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(module, "_has_onednn", lambda: False)
    elif not module._has_onednn():
        pytest.skip("torch was built without oneDNN")


@pytest.mark.parametrize("shape", [(0, 5, 3), (1, 1, 1), (7, 65, 64), (2048, 92, 48), (513, 256, 256)], ids=str)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_it_is_the_sum_over_the_inputs(way, shape, relu, with_bias):
    n, n_in, n_out = shape
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(n, n_in)).astype(np.float32)
    weight, bias = torch.randn(n_out, n_in), torch.randn(n_out)
    expected = inputs.astype(np.float64) @ weight.numpy().astype(np.float64).T + (bias.numpy() if with_bias else 0)
    found = linear(inputs, weight, bias if with_bias else None, relu=relu)
    assert found.shape == (n, n_out)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.maximum(expected, 0) if relu else expected, rtol=1e-5, atol=1e-4)


def test_inputs_stay_as_they_are(way):
    inputs = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    before = inputs.copy()
    linear(inputs, torch.randn(4, 4), relu=True)
    np.testing.assert_array_equal(inputs, before)


@pytest.mark.parametrize("with_bias", [False, True])
def test_gradients_are_those_of_torch(way, with_bias):
    torch.manual_seed(0)
    ours, theirs = Linear(7, 5, bias=with_bias), torch.nn.Linear(7, 5, bias=with_bias)
    ours.load_state_dict(theirs.state_dict())
    inputs, weights = torch.randn(23, 7), torch.randn(23, 5)
    found = []
    for layer in (ours, theirs):
        own = inputs.clone().requires_grad_()
        (layer(own) * weights).sum().backward()
        found.append([own.grad, *(parameter.grad for parameter in layer.parameters())])
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other)


def test_it_takes_views_and_frozen_layers(way):
    layer = Linear(6, 4).requires_grad_(False)
    inputs = torch.randn(6, 11, requires_grad=True)
    layer(inputs.T[::2]).sum().backward()
    expected = torch.zeros(6, 11)
    expected[:, ::2] = layer.weight.sum(dim=0)[:, None]
    torch.testing.assert_close(inputs.grad, expected)


def test_other_numbers_than_single_precision_are_left_to_torch(way):
    layer = Linear(6, 4).double()
    inputs = torch.randn(3, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(inputs), torch.nn.functional.linear(inputs, layer.weight, layer.bias))
    assert Linear(6, 4)(torch.zeros(0, 6)).shape == (0, 4)
