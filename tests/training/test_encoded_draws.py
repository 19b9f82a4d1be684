import numpy as np
import pytest

from hilander.metrics import one_nn_accuracy
from hilander.training.encoded_draws import draw_encoded


@pytest.mark.parametrize(("n", "d", "seed"), [(60, 32, 0), (300, 96, 1), (800, 64, 2)])
def test_a_draw_is_unit_rows_of_classes_that_can_be_told_apart(n, d, seed):
    embeddings, labels = draw_encoded(n, d, seed=seed)
    assert (embeddings.shape, embeddings.dtype, labels.shape, labels.dtype) == ((n, d), np.float32, (n,), np.int64)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert one_nn_accuracy(embeddings, labels) > 0.6


@pytest.fixture(scope="module")
def draws():
    return [draw_encoded(400, 32, seed=seed) for seed in range(5)]


def test_with_twins_more_classes_can_hardly_be_told_from_another(draws):
    with_twins = [draw_encoded(400, 32, seed=seed, twins=True) for seed in range(5)]
    alike = np.array([[share_of_look_alikes(*draw) for draw in each] for each in (draws, with_twins)])
    assert alike[1].mean() > 1.5 * alike[0].mean()


def share_of_look_alikes(embeddings, labels):
    """Share of the classes of five items or more, a third of which or more lie next to items of one other class."""
    similarity = embeddings @ embeddings.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = labels[similarity.argmax(axis=1)]
    alike = []
    for label in np.flatnonzero(np.bincount(labels) >= 5):
        others = nearest[(labels == label) & (nearest != label)]
        alike.append(np.bincount(others, minlength=1).max() >= (labels == label).sum() / 3)
    return np.mean(alike) if alike else 0.0


def test_classes_of_a_draw_are_of_many_sizes_and_some_of_one_item(draws):
    sizes = [np.bincount(labels) for _, labels in draws]
    means = [each.mean() for each in sizes]
    assert max(means) > 3 * min(means)
    assert any((each == 1).any() for each in sizes)
