import numpy as np
import pytest

from hilander.training.labelled_set import LabelledSet, projected, thinned


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


@pytest.mark.parametrize(("d", "width"), [(200, 60), (40, 16), (5, 5)])
def test_projections_are_of_unit_length_and_of_one_subspace_for_all_rows(d, width):
    whole = even(n_classes=30, size=4, d=d)
    part = projected(whole, seed=3)
    assert part.embeddings.shape == (120, width)
    assert part.embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(part.embeddings, axis=1), 1, rtol=1e-5)
    assert np.array_equal(part.labels, whole.labels)
    doubled = LabelledSet(np.concatenate([whole.embeddings, 2 * whole.embeddings[::-1]]), np.tile(whole.labels, 2))
    both = projected(doubled, seed=3).embeddings
    np.testing.assert_allclose(both[:120], both[120:][::-1], atol=1e-5)
    np.testing.assert_allclose(both[:120], part.embeddings, atol=1e-5)


def test_projections_keep_what_is_alike_more_or_less_alike():
    whole = even(n_classes=30, size=4, d=400)
    whole = LabelledSet(whole.embeddings / np.linalg.norm(whole.embeddings, axis=1, keepdims=True), whole.labels)
    first, again, other = (projected(whole, seed=seed).embeddings for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.allclose(first @ first.T, other @ other.T, atol=0.05)
    for each in (first, other):
        assert 0.01 < np.abs(each @ each.T - whole.embeddings @ whole.embeddings.T).mean() < 0.15


def test_nearest_neighbours_are_searched_where_none_or_too_few_are_given():
    whole = even(n_classes=5, size=10)
    given = whole.nearest[0][:, :3], whole.nearest[1][:, :3]
    searched = LabelledSet(whole.embeddings, whole.labels, given).nearest
    assert searched[0].shape == (50, 40)
    assert np.array_equal(searched[0][:, :3], given[0])
