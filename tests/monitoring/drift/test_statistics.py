from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import pairwise_distances

from hilander.models.similarity import SETTINGS, SimilarityModel
from hilander.monitoring.drift.model_view import model_scalars
from hilander.monitoring.drift.sampling import rows_to_compare, sample_window, split_rows
from hilander.monitoring.drift.sparseness import draw_split, window_like
from hilander.monitoring.drift.statistics import Frame, domain_auc, mean_discrepancy, row_scalars, scalar_statistics


def unit(n, seed, d=8, shift=0.0):
    rows = np.random.default_rng(seed).normal(size=(n, d)) + shift
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def frame_of(rows):
    return Frame.of(rows, np.ones(len(rows)), np.random.default_rng(0))


def test_the_auc_is_a_half_where_nothing_tells_them_apart():
    assert domain_auc(unit(1000, 1), unit(1000, 2)) == pytest.approx(0.5, abs=0.05)
    assert domain_auc(unit(500, 1, d=64), unit(500, 2, d=64)) == pytest.approx(0.5, abs=0.06)  # nor by heart


def test_random_features_come_near_the_kernels_discrepancy():
    window, reference = unit(300, 1, shift=0.5), unit(300, 2)
    width = np.median(np.linalg.norm(reference[:150] - reference[150:], axis=1))

    def kernel(a, b):
        return np.exp(-((pairwise_distances(a, b) / width) ** 2) / 2).mean()

    truth = np.sqrt(kernel(window, window) + kernel(reference, reference) - 2 * kernel(window, reference))
    assert mean_discrepancy(window, reference, frame_of(reference)) == pytest.approx(truth, rel=0.15)


def test_scalars_equal_what_plain_numpy_says():
    window, reference = unit(50, 1), unit(60, 2)
    scalars = row_scalars(window, np.ones(50), reference, frame_of(reference))
    similarity = window @ window.T - 3 * np.eye(50)
    assert scalars["distance_to_nearest"].to_numpy() == pytest.approx(1 - (window @ reference.T).max(axis=1), abs=1e-5)
    assert scalars["distance_within"].to_numpy() == pytest.approx(1 - similarity.max(axis=1), abs=1e-5)
    assert "norm" not in scalars
    mean = reference.mean(axis=0)
    assert scalars["cosine_to_mean"].to_numpy() == pytest.approx(window @ mean / np.linalg.norm(mean), abs=1e-5)
    leading = np.linalg.svd(reference - mean)[2][:4]
    components = scalars[[f"component_{number}" for number in (1, 2, 3, 4)]].to_numpy()
    assert np.abs(components) == pytest.approx(np.abs((window - mean) @ leading.T), abs=1e-4)


def test_only_an_excess_of_a_distance_counts_but_of_others_any_change():
    usual = pd.DataFrame({"distance_within": np.arange(100.0), "linkage": np.arange(100.0)})
    now = pd.DataFrame({"distance_within": np.r_[np.arange(21.0), np.nan], "linkage": np.r_[np.arange(21.0), np.nan]})
    found = scalar_statistics(now, usual)
    assert found["distance_within_mean"] == pytest.approx(10)
    assert found["distance_within_tail"] == pytest.approx(19)
    assert found["linkage"] == pytest.approx((49.5 - 10) / np.arange(100).std())  # all moved to one side
    steady = pd.DataFrame({"linkage": np.ones(100)})
    assert scalar_statistics(steady + 0.5, steady)["linkage"] == pytest.approx(500)  # not infinitely far


def test_the_models_view_is_that_of_each_row_with_its_repeats():
    rows = np.array([[1, 0], [1, 0], [0.98, 0.2], [-1, 0.1], [0.1, -1]], np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = model_scalars(rows, SimilarityModel())
    assert found["cluster_size"].tolist() == pytest.approx([np.log2(3)] * 3 + [0, 0])
    assert found["singleton"].tolist() == [0, 0, 0, 1, 1]
    similar = np.maximum(rows @ rows.T, 0)
    similar[np.isclose(similar, 1)] = 0  # itself and its repeat
    assert found["linkage"].to_numpy() == pytest.approx(similar.max(axis=1), abs=1e-6)
    several = unit(200, 0)
    # With lists of two neighbours, some rows are in no other's.
    nearest = (several @ several.T - 3 * np.eye(200)).max(axis=1)
    few_neighbors = model_scalars(several, SimilarityModel(replace(SETTINGS, n_neighbors=2)))
    assert few_neighbors["linkage"].to_numpy() == pytest.approx(nearest, abs=1e-6)
    alone = model_scalars(np.repeat(rows[:1], 4, axis=0), SimilarityModel())
    assert alone["cluster_size"].tolist() == [2] * 4
    assert alone["singleton"].tolist() == [0] * 4


def test_a_draw_holds_other_classes_than_the_rest():
    labels = np.random.default_rng(0).integers(0, 40, 900)
    held, rest = draw_split(unit(900, 0), labels, 256, np.random.default_rng(1))
    assert len(held) == len(rest) == 256
    assert set(labels[held]).isdisjoint(labels[rest])
    first, second = split_rows(900, labels, 0.5, np.random.default_rng(1))
    assert set(labels[first]).isdisjoint(labels[second])
    np.testing.assert_array_equal(np.sort(np.r_[first, second]), np.arange(900))


@pytest.mark.parametrize("n_window", [128, 192])
def test_a_draw_for_a_small_window_holds_whole_classes_of_about_as_many_rows(n_window):
    labels = np.repeat(np.arange(200), 12)
    rows = unit(200, 0)[labels] + 0.02 * unit(2400, 1)
    for seed in range(5):
        held, rest = draw_split(rows, labels, 128, np.random.default_rng(seed), n_window=n_window)
        assert set(labels[held]).isdisjoint(labels[rest])
        assert len(held) == len(rest) == 128
        assert len(np.unique(labels[held])) <= (4 * n_window / 3) / 12 + 1
    spread = draw_split(rows, labels, 128, np.random.default_rng(0))[0]
    assert len(np.unique(labels[spread])) < 20  # regions of the whole, which cut few of such dense classes


@pytest.mark.parametrize(("level", "low", "high"), [(0, 12, 12), (1, 5, 12), (2, 2, 7), (-1, 1, 2)])
def test_a_thinned_draw_for_a_small_window_holds_as_many_rows_of_fewer_each(level, low, high):
    labels = np.repeat(np.arange(400), 12)
    kept = [window_like(np.arange(4800), labels, level, 64, 96, np.random.default_rng(seed)) for seed in range(10)]
    for rows in kept:
        assert 96 - 12 <= len(rows) <= 96 + 12
        assert low <= len(rows) / len(np.unique(labels[rows])) <= high
    assert len({len(np.unique(labels[rows])) for rows in kept}) > (1 if level else 0)


@pytest.mark.parametrize("level", [0, 1, -1])
def test_a_draw_for_a_small_window_holds_as_many_rows_as_are_asked_for_where_classes_are_of_one_row(level):
    labels = np.arange(400)
    for seed in range(5):
        rows = window_like(np.arange(200), labels, level, 128, 128, np.random.default_rng(seed))
        assert 128 <= len(set(rows)) <= 200


def test_a_sample_holds_every_row_at_most_once_and_lonely_ones_as_often_as_others():
    rows = np.concatenate([np.repeat(unit(40, 0), 20, axis=0), unit(200, 1)])  # dense ones, then lonely ones
    rows = rows + 1e-3 * np.random.default_rng(0).normal(size=rows.shape).astype(np.float32)
    lonely = []
    for seed in range(20):
        sample = sample_window(rows, 300, np.random.default_rng(seed), whole_classes=True)
        assert len(set(sample)) == 300
        lonely.append(np.mean(sample >= 800))
    assert np.mean(lonely) == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize(("n", "n_rows"), [(64, 64), (500, 96), (5000, 256), (3000, 2999)])
def test_a_sample_holds_the_rows_that_are_nearest_to_the_first_of_some_random_ones(n, n_rows):
    rows = np.concatenate([unit(n // 2, 0), unit(1, 1) + 0.01 * unit(n - n // 2, 2)])  # half of them in a few regions
    order = np.random.default_rng(3).permutation(n)
    region = (rows[order] @ rows[order[: -(-n // 24)]].T).argmax(axis=1)
    expected = order[np.argsort(region, kind="stable")][:n_rows]
    np.testing.assert_array_equal(sample_window(rows, n_rows, np.random.default_rng(3), whole_classes=True), expected)


def test_a_draw_without_classes_is_never_compared_with_itself():
    held, rest = draw_split(unit(300, 0), None, 96, np.random.default_rng(1))
    assert len(set(held) | set(rest)) == 192


@pytest.mark.parametrize(("window", "expected"), [(63, 0), (64, 64), (100, 96), (10_000, 1024)])
def test_row_counts_come_in_steps(window, expected):
    assert rows_to_compare(window, 10_000, 1024) == expected


def test_no_more_than_a_third_of_the_reference_is_compared():
    assert [rows_to_compare(10_000, n, 1024) for n in (191, 192, 300, 3000)] == [0, 64, 96, 768]
