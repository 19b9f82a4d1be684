import faiss
import numpy as np
import pytest
import torch
from torch.nn import functional

from hilander.nn import prelu as module
from hilander.nn.prelu import prelu, prelu_of_ends


@pytest.fixture(params=[1, 3])
def n_threads(request, monkeypatch):
    monkeypatch.setattr(module, "_COLUMNS_PER_BLOCK", 2)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(request.param)
    yield request.param
    faiss.omp_set_num_threads(before)


def draw(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32)).requires_grad_()


def gradients_of(out, *inputs):
    return torch.autograd.grad(out.square().sum(), inputs)


def test_values_and_gradients_are_those_of_torch(n_threads):
    x, slope = draw(30, 5), draw(5, seed=1)
    found, expected = prelu(x, slope), functional.prelu(x, slope)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(gradients_of(found, x, slope), gradients_of(expected, x, slope), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_joined_ends_are_those_of_torch(n_threads):
    source, destination, slope = draw(9, 5), draw(4, 5, seed=1), draw(5, seed=2)
    rng = np.random.default_rng(3)
    sources, destinations = torch.from_numpy(rng.integers(9, size=40)), torch.from_numpy(rng.integers(4, size=40))
    found = prelu_of_ends(source, destination, sources, destinations, slope)
    expected = functional.prelu(source[sources] + destination[destinations], slope)
    torch.testing.assert_close(found, expected)
    inputs = source, destination, slope
    for ours, theirs in zip(gradients_of(found, *inputs), gradients_of(expected, *inputs), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_no_rows():
    slope = draw(5)
    found = prelu(torch.empty((0, 5), requires_grad=True), slope)
    assert found.shape == (0, 5)
    assert gradients_of(found, slope)[0].tolist() == [0] * 5
