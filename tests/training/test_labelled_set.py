import numpy as np
import pytest

from hilander.training.labelled_set import LabelledSet, thinned


def even(n_classes=200, size=20, d=8):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(n_classes * size, d)).astype(np.float32)
    return LabelledSet(embeddings, rng.permutation(np.repeat(np.arange(n_classes), size)))


@pytest.mark.parametrize("seed", range(4))
def test_thinned_classes_are_unevenly_large_and_none_is_lost(seed):
    part = thinned(even(), seed=seed)
    sizes = np.bincount(part.labels)
    assert len(sizes) == 200
    assert sizes.min() == 1
    assert sizes.max() >= 18
    assert 0.15 < len(part.labels) / 4000 < 0.6


def test_thinned_rows_keep_their_classes():
    whole = even()
    part = thinned(whole, seed=1)
    rows = {row.tobytes(): label for row, label in zip(whole.embeddings, whole.labels, strict=True)}
    assert [rows[row.tobytes()] for row in part.embeddings] == part.labels.tolist()


def test_the_same_seed_thins_alike_and_another_differently():
    first, again, other = (thinned(even(), seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.embeddings, again.embeddings)
    assert len(first.labels) != len(other.labels)


def test_nearest_neighbours_are_searched_where_none_or_too_few_are_given():
    whole = even(n_classes=5, size=10)
    given = whole.nearest[0][:, :3], whole.nearest[1][:, :3]
    searched = LabelledSet(whole.embeddings, whole.labels, given).nearest
    assert searched[0].shape == (50, 40)
    assert np.array_equal(searched[0][:, :3], given[0])
