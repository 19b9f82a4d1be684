import numpy as np
import pytest

from hilander.training.encoded_draws import draw_encoded
from hilander.training.general_sets import encoded_sets
from hilander.training.styles import Styles


def drawn(seed, sizes):
    rng = np.random.default_rng(seed)
    return Styles(12, 8, rng).draw(np.asarray(sizes))


@pytest.mark.parametrize("seed", range(6))
def test_items_vary_by_one_about_and_only_items_of_one_class_are_alike(seed):
    sizes = [1, 40, 7, 200, 2, 150]
    items = drawn(seed, sizes)
    assert items.deviations.shape == (400, 12)
    assert items.nuisances.shape == (400, 8)
    assert 0.2 < np.mean(items.deviations**2) < 3
    classes = np.repeat(np.arange(6), sizes)
    for number in np.unique(items.alike):
        assert len(np.unique(classes[items.alike == number])) == 1


def test_items_that_may_be_near_copies_are_nearer_than_others_of_their_class():
    ratios = []
    for seed in range(12):
        items = drawn(seed, [300])
        distances = np.linalg.norm(items.nuisances[:, None] - items.nuisances, axis=2)
        same = items.alike[:, None] == items.alike
        np.fill_diagonal(distances, np.nan)
        if same.sum() > 300 and not same.all():
            ratios.append(np.nanmean(distances[same]) / np.nanmean(distances[~same]))
    assert len(ratios) > 6
    assert max(ratios) < 1


def test_all_classes_come_in_the_same_styles():
    """Where items are hardly loose, the nuisances of two classes are close to the same few vectors."""
    gaps, chance = [], []
    for seed in range(12):
        nuisances = drawn(seed, [200, 200]).nuisances
        first, second = nuisances[:200], nuisances[200:]
        gaps.append(np.median(np.linalg.norm(first[:, None] - second, axis=2).min(axis=1)))
        chance.append(np.median(np.linalg.norm(first[:, None] - second, axis=2)))
    assert np.median(np.divide(gaps, chance)) < 0.3


def test_worlds_with_styles_are_drawn_of_the_width_asked_for_and_differ_from_those_without():
    for (n, d), each in zip([(60, 32), (200, 64), (600, 128)], encoded_sets(3, styles=True), strict=True):
        assert each.embeddings.shape == (n, d)
        np.testing.assert_allclose(np.linalg.norm(each.embeddings, axis=1), 1, atol=1e-5)
    widest = [draw_encoded(80, 512, seed=seed, styles=True)[0] for seed in (0, 3, 4, 5, 2)]
    assert {each.shape for each in widest} == {(80, 512)}
    assert not np.array_equal(widest[0], draw_encoded(80, 512, seed=0)[0])


def test_some_worlds_with_styles_are_rectified_and_some_lie_to_one_side():
    embeddings = [draw_encoded(80, 32, seed=seed, styles=True)[0] for seed in range(2, 8)]
    assert any((each >= -1e-5).all() for each in embeddings)
    assert any((each < -0.1).any() for each in embeddings)
    means = [np.linalg.norm(each.mean(axis=0)) for each in embeddings]
    assert max(means) > 2 * min(means)
