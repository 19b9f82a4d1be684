import numpy as np
import pytest

from hilander.data.synthetic_embeddings import draw_embeddings
from hilander.metrics import one_nn_accuracy


@pytest.mark.parametrize(("n", "d"), [(2, 32), (50, 64), (1500, 48)])
def test_draws_that_many_unit_rows(n, d):
    embeddings, labels = draw_embeddings(n, d, seed=3)
    assert embeddings.shape == (n, d)
    assert embeddings.dtype == np.float32
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.ones(n), abs=1e-5)
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))


def test_same_seed_same_draw_and_another_seed_other_classes():
    first, again, other = (draw_embeddings(300, 32, seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len(np.unique(first[1])) != len(np.unique(other[1]))


def test_draws_are_neither_hopeless_nor_trivial():
    accuracies = [one_nn_accuracy(*draw_embeddings(800, d, seed=seed)) for seed, d in enumerate((32, 128, 512))]
    assert all(0.4 < accuracy < 0.995 for accuracy in accuracies)


@pytest.mark.parametrize("mean_sizes", [(4.0, 6.0), (100.0, 150.0)])
def test_classes_are_about_as_large_as_asked_for(mean_sizes):
    for seed in range(8):
        sizes = np.bincount(draw_embeddings(2000, 8, seed=seed, mean_sizes=mean_sizes)[1])
        of_classes = sizes[sizes > 1] if mean_sizes[0] > 50 else sizes  # outliers are classes of one
        assert mean_sizes[0] / 2 < of_classes.mean() < 2 * mean_sizes[1]
