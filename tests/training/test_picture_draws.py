import numpy as np
import pytest
import torch

from hilander.metrics import one_nn_accuracy
from hilander.training.picture_draws import draw_pictures
from hilander.training.pictures import SIDE, Pictures


@pytest.mark.parametrize("seed", range(6))
def test_pictures_show_something_and_classes_look_alike(seed):
    torch.manual_seed(seed)
    pictures, labels = Pictures(np.random.default_rng(seed), closeness=0.3).draw(np.array([40, 30, 30]))
    assert pictures.shape == (100, SIDE, SIDE)
    assert labels.tolist() == [0] * 40 + [1] * 30 + [2] * 30
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert pictures.std(dim=(1, 2)).median() > 0.05
    assert one_nn_accuracy(pictures.flatten(1).numpy(), labels) > 0.8


def test_without_distortions_items_of_a_shape_are_one_picture():
    rng = np.random.default_rng(1)
    pictures, labels = Pictures(rng, closeness=0.0).draw(np.array([20, 20]))
    for label in (0, 1):
        assert len(np.unique(pictures[labels == label].numpy().round(4), axis=0)) <= 3


@pytest.mark.parametrize(("n", "d", "seed"), [(40, 32, 0), (60, 32, 1), (300, 64, 2), (900, 256, 3)])
def test_a_draw_is_unit_rows_of_classes_that_can_be_told_apart(n, d, seed):
    embeddings, labels = draw_pictures(n, d, seed=seed)
    assert (len(embeddings), embeddings.dtype, labels.shape, labels.dtype) == (n, np.float32, (n,), np.int64)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert labels.max() >= 1
    assert one_nn_accuracy(embeddings, labels) > 0.6


def test_classes_are_larger_than_lists_of_neighbours_hold():
    sizes = [np.bincount(draw_pictures(1200, 32, seed=seed)[1]).mean() for seed in range(6)]
    assert np.mean(np.array(sizes) > 40) >= 0.5
