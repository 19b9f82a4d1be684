"""Floors that a model must keep, one by one and all together."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilander.config import GateParams
from hilander.pipeline.quality_gate import QualityGateRefused, check_quality, refuse_missed

OPEN = GateParams(min_f_pairwise=0.0, min_f_bcubed=0.0, max_drop=None, beat_baselines=False)
shares = st.floats(0, 1)


def figures(f_pairwise, f_bcubed):
    return {"f_pairwise": f_pairwise, "f_bcubed": f_bcubed}


def missed(ours, params, in_service=None, **others):
    checks = check_quality({"ours": ours} | others, "ours", list(others), params, in_service)
    return [(check.floor.split(" (")[0], check.metric) for check in checks if not check.passed]


def test_each_lowest_accepted_value_counts_for_its_own_metric():
    assert missed(figures(0.7, 0.8), GateParams(0.7, 0.8)) == []
    assert missed(figures(0.69, 0.8), GateParams(0.7, 0.8)) == [("lowest accepted", "F_P")]
    assert missed(figures(0.7, 0.79), GateParams(0.7, 0.8)) == [("lowest accepted", "F_B")]


def test_a_model_may_fall_so_far_below_the_one_in_service_and_no_further():
    params = GateParams(max_drop=0.125)
    assert missed(figures(0.75, 0.75), params, figures(0.875, 0.875)) == []
    assert missed(figures(0.74, 0.9), params, figures(0.875, 0.875)) == [("model in service", "F_P")]
    assert missed(figures(0.1, 0.1), params) == []  # none in service yet
    assert missed(figures(0.1, 0.1), OPEN, figures(0.9, 0.9)) == []  # null: not compared
    assert missed(figures(0.1, 0.1), params, {"f_bcubed": 0.1}) == []


def test_the_best_baseline_must_be_beaten_not_equalled():
    others = {"kmeans": figures(0.5, 0.7), "finch": figures(0.6, 0.4)}
    assert missed(figures(0.61, 0.71), GateParams(), **others) == []
    assert missed(figures(0.6, 0.71), GateParams(), **others) == [("best baseline", "F_P")]
    assert missed(figures(0.61, 0.65), GateParams(), **others) == [("best baseline", "F_B")]
    assert missed(figures(0.1, 0.1), OPEN, **others) == []
    [check] = [check for check in check_quality({"ours": figures(0.6, 1), **others}, "ours", list(others), GateParams(),
                                                None) if not check.passed]  # fmt: skip
    assert str(check) == "best baseline (finch): F_P is 0.6000, asked for is 0.6000: missed"


def test_a_baseline_without_a_fault_need_only_be_equalled():
    assert missed(figures(1.0, 1.0), GateParams(), kmeans=figures(1.0, 1.0)) == []
    assert missed(figures(0.99, 1.0), GateParams(), kmeans=figures(1.0, 1.0)) == [("best baseline", "F_P")]


@pytest.mark.parametrize("names", [["kmeans", "finch"], ["finch", "kmeans"]])
def test_a_baseline_without_figures_asks_for_nothing(names):
    others = {"kmeans": figures(math.nan, math.nan), "finch": figures(0.6, 0.6)}
    metrics = {"ours": figures(0.7, 0.7), **others}
    assert all(check.passed for check in check_quality(metrics, "ours", [*names, "absent"], GateParams(), None))


def test_where_no_baseline_gave_a_result_none_is_beaten():
    metrics = {"ours": figures(0.7, 0.7), "kmeans": figures(math.nan, math.nan)}
    with pytest.raises(ValueError, match=r"of one of kmeans, absent in reports/metrics\.json, found none"):
        check_quality(metrics, "ours", ["kmeans", "absent"], GateParams(), None)
    assert check_quality(metrics, "ours", ["kmeans"], OPEN, None)
    assert check_quality(metrics, "ours", [], GateParams(), None)


def test_a_value_that_is_no_number_keeps_no_floor():
    found = missed(figures(math.nan, math.nan), GateParams(), figures(0.5, 0.5), kmeans=figures(0.5, 0.5))
    assert len(found) == 6


@pytest.mark.parametrize("metrics", [{}, {"other": figures(1, 1)}, {"ours": {"f_pairwise": 1.0}},
                                     {"ours": figures(None, "0.9")}])  # fmt: skip
def test_no_figures_are_an_error_that_names_the_stage(metrics):
    with pytest.raises(ValueError, match=r"f_bcubed of 'ours' in reports/metrics\.json, found none; .*'evaluate'"):
        check_quality(metrics, "ours", [], GateParams(), None)


def test_the_message_names_every_floor_that_was_missed_and_no_other():
    checks = check_quality({"ours": figures(0.5, 0.9)}, "ours", [], GateParams(0.7, 0.8), figures(0.6, 0.95))
    with pytest.raises(QualityGateRefused) as refused:
        refuse_missed(checks)
    words = str(refused.value)
    assert "the one in service stays" in words
    assert "`gate` in params.yaml" in words
    assert "lowest accepted: F_P is 0.5000, asked for is 0.7000: missed" in words
    assert words.count(": missed") == 3
    assert "kept" not in words
    refuse_missed([check for check in checks if check.passed])


@given(st.tuples(shares, shares), st.tuples(shares, shares), st.tuples(shares, shares), shares, shares)
def test_a_better_model_never_misses_more(ours, in_service, baseline, floor, drop):
    params = GateParams(floor, floor, max_drop=drop)

    def found(scale):
        better = figures(*(value + scale for value in ours))
        return set(missed(better, params, figures(*in_service), kmeans=figures(*baseline)))

    assert found(0.25) <= found(0.0)
    assert found(2.0) == set()
