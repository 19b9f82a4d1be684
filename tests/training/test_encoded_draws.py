import numpy as np
import pytest
import torch

from hilander.metrics import one_nn_accuracy
from hilander.training.encoded_draws import draw_encoded


@pytest.mark.parametrize(("n", "d", "seed"), [(60, 32, 0), (300, 96, 1), (800, 64, 2)])
def test_a_draw_is_unit_rows_of_classes_that_can_be_told_apart(n, d, seed):
    embeddings, labels = draw_encoded(n, d, seed=seed)
    assert (embeddings.shape, embeddings.dtype, labels.shape, labels.dtype) == ((n, d), np.float32, (n,), np.int64)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert one_nn_accuracy(embeddings, labels) > 0.6


def test_one_seed_gives_one_draw_and_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    embeddings, labels = draw_encoded(120, 32, seed=4)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))
    again, same = draw_encoded(120, 32, seed=4)
    assert np.array_equal(embeddings, again)
    assert np.array_equal(labels, same)
    assert not np.array_equal(embeddings, draw_encoded(120, 32, seed=5)[0])


def test_classes_of_a_draw_are_of_many_sizes_and_some_of_one_item():
    sizes = [np.bincount(draw_encoded(400, 32, seed=seed)[1]) for seed in range(8)]
    means = [each.mean() for each in sizes]
    assert max(means) > 3 * min(means)
    assert any((each == 1).any() for each in sizes)
