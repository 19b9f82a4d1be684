import numpy as np
import pytest
from numba import njit

from hilander.nn.vector_math import log1p, sigmoid


@njit
def _each(x, sigmoids, logarithms):
    for i in range(len(x)):
        sigmoids[i] = sigmoid(x[i])
        logarithms[i] = log1p(abs(x[i]))


@pytest.mark.parametrize("scale", [1e-6, 0.1, 1.0, 30.0, 1e4])
def test_they_are_those_of_numpy(scale):
    x = (np.random.default_rng(0).normal(size=1001) * scale).astype(np.float32)
    x[:2] = 0, -scale
    found = np.empty_like(x), np.empty_like(x)
    _each(x, *found)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(found[0], 1 / (1 + np.exp(-np.maximum(exact, -700))), atol=2e-7)
    np.testing.assert_allclose(found[1], np.log1p(np.abs(exact)), rtol=3e-7, atol=2e-7)
