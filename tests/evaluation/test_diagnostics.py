import numpy as np
import pytest

from hilander.clustering import LevelSummary
from hilander.evaluation.diagnostics import agreement, cluster_sizes, level_scores, precision_coverage, reliability


def test_agreement_is_the_share_of_like_cluster_mates():
    true, pred = np.array([0, 0, 1, 1, 2, 3, 3]), np.array([5, 5, 5, 6, 7, -1, -1])
    expected = [1 / 2, 1 / 2, 0, 0, 1, 0, 0]  # alone in class and cluster is right, alone in the cluster only is not
    assert agreement(true, pred).tolist() == expected


def test_reliability_weighs_each_bin_by_its_items():
    true, pred = np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1])
    table, error = reliability(true, pred, np.array([0.95, 0.95, 0.32, 0.38]))
    assert table["items"].tolist() == [2, 2]
    assert table["agreement"].tolist() == [0, 1]
    assert table["probability"].tolist() == pytest.approx([0.35, 0.95])
    assert error == pytest.approx((0.35 + 0.05) / 2)


def test_a_probability_of_one_is_in_the_last_bin():
    table, error = reliability([0, 0], [0, 0], np.ones(2))
    assert len(table) == 1
    assert error == 0


def test_precision_is_the_mean_agreement_of_all_items_that_are_as_sure():
    rng = np.random.default_rng(0)
    true, pred, probabilities = rng.integers(0, 30, 500), rng.integers(0, 40, 500), rng.random(500).round(1)
    table, agreed = precision_coverage(true, pred, probabilities), agreement(true, pred)
    for row in table.itertuples():
        surest = probabilities >= row.probability
        assert row.coverage == pytest.approx(surest.mean())
        assert row.precision == pytest.approx(agreed[surest].mean())
    assert table["coverage"].iloc[-1] == 1
    assert len(table) <= 11


def test_items_that_are_all_sure_otherwise_are_covered_a_twentieth_at_a_time():
    for n in (100, 30, 7):
        probabilities = np.random.default_rng(0).permutation(np.arange(n) / n)
        table = precision_coverage(np.zeros(n), np.zeros(n), probabilities)
        covered = sorted({-(-step * n // 20) for step in range(1, 21)})
        assert (table["coverage"] * n).tolist() == pytest.approx(covered)
        assert table["probability"].tolist() == pytest.approx([(n - count) / n for count in covered])


def test_probabilities_that_know_the_truth_never_gain_precision_with_coverage():
    rng = np.random.default_rng(1)
    true, pred = rng.integers(0, 10, 300), rng.integers(0, 10, 300)
    precision = precision_coverage(true, pred, agreement(true, pred))["precision"]
    assert (np.diff(precision) <= 1e-12).all()
    assert precision.iloc[0] > precision.iloc[-1]


def test_every_class_and_cluster_is_in_one_size_bin():
    rng = np.random.default_rng(0)
    true, pred = rng.zipf(1.6, 3000) % 200, rng.integers(0, 900, 3000)
    table = cluster_sizes(true, pred)
    assert table["classes"].sum() == len(np.unique(true))
    assert table["clusters"].sum() == len(np.unique(pred))
    assert table["items"].is_unique


def test_bins_of_sizes_widen_and_name_what_they_hold():
    classes = np.repeat(np.arange(5), [1, 2, 3, 4, 6])
    table = cluster_sizes(classes, np.zeros(16))
    assert table["items"].tolist() == ["1", "2", "3", "4–5", "6–8", "9–13", "14–20"]
    assert table["classes"].tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert table["clusters"].tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert cluster_sizes(classes[-6:], classes[-6:])["items"].tolist() == ["1", "2", "3", "4–5", "6–8"]


def test_levels_bear_the_score_of_stopping_there():
    true = np.array([0, 0, 1, 1])
    levels = [LevelSummary(4, 1, 3, np.array([0, 0, 1, 2])), LevelSummary(3, 1, 2, np.array([0, 0, 1, 1]))]
    table = level_scores(true, levels)
    assert table["clusters"].tolist() == [3, 2]
    assert table["f_pairwise"].tolist() == pytest.approx([2 / 3, 1])
    assert len(level_scores(true, [])) == 0
