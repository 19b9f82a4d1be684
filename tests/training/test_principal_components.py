import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from hilander.training.principal_components import principal_components


@pytest.fixture
def x():
    drawn = torch.randn(200, 12, dtype=torch.float64) * torch.arange(1, 13)
    return drawn - drawn.mean(dim=0)


@pytest.mark.parametrize("whitened", [0.0, 1.0])
def test_they_are_those_of_scikit_learn(x, whitened):
    expected = PCA(5, whiten=bool(whitened)).fit_transform(x.numpy())
    ours = (x @ principal_components(x, 5, whitened=whitened)).numpy()
    signs = np.sign((ours * expected).sum(axis=0))
    np.testing.assert_allclose(ours * signs, expected, rtol=0.01, atol=1e-6)


def test_beyond_the_features_there_is_nothing(x):
    projection = principal_components(x, 20, whitened=0.0)
    assert projection.shape == (12, 20)
    assert not projection[:, 12:].any()
