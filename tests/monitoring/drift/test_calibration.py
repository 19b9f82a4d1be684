import json

import numpy as np
import pandas as pd
import pytest

from hilander.monitoring.drift.calibration import Calibration, quantiles


@pytest.mark.parametrize(("confidence", "limit"), [(0.85, 97), (0.95, 98), (0.99, 99)])
def test_the_limit_is_the_lowest_draw_that_is_safe(confidence, limit):
    draws = pd.DataFrame({"a": np.arange(100.0), "steady": np.ones(100)})
    calibration = Calibration.of(draws, draws, 0.05, confidence)
    assert calibration.thresholds == {"a": pytest.approx(limit), "steady": pytest.approx(1)}
    n_above = np.random.default_rng(0).binomial(100, 0.05, 20_000)  # draws that lie above what 5 % of windows pass
    assert np.mean(n_above > 99 - limit) == pytest.approx(confidence, abs=0.05)


@pytest.mark.parametrize(("rate", "confidence"), [(0.05, 0.95), (0.01, 0.9), (0.5, 0.75)])
def test_as_many_draws_as_are_asked_for_suffice_and_one_fewer_does_not(rate, confidence):
    def calibrate(n):
        draws = pd.DataFrame({"a": np.arange(float(n))})
        return Calibration.of(draws, draws, rate, confidence)

    with pytest.raises(ValueError, match=r"1 draws cannot show .*; raise n_draws to \d+$") as error:
        calibrate(1)
    needed = int(str(error.value).split()[-1])
    assert calibrate(needed).limit == pytest.approx(np.sqrt(3 * (needed - 1) / (needed + 1)))  # the largest one
    with pytest.raises(ValueError, match=f"raise n_draws to {needed}"):
        calibrate(needed - 1)


def test_the_limit_is_passed_by_no_more_healthy_windows_than_stated():
    passed = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        draws = pd.DataFrame(random.normal(size=(100, 5)), columns=list("abcde"))
        calibration = Calibration.of(draws, draws, 0.05, 0.95)
        new = random.normal(size=(200, 5))
        limits = np.array([calibration.thresholds[name] for name in calibration.names])
        passed.append((new > limits).any(axis=1).mean())
    assert np.mean(np.array(passed) <= 0.05) >= 0.9


def test_p_values_and_excess_speak_of_the_draws():
    draws = pd.DataFrame({"a": np.arange(99.0), "b": np.arange(99.0)[::-1]})
    calibration = Calibration.of(draws, draws, 0.05, 0.95)
    each, overall = calibration.p_values({"a": 1000.0, "b": -5.0})
    assert each == {"a": pytest.approx(0.01), "b": pytest.approx(1.0)}
    assert overall == pytest.approx(0.01)
    excess = calibration.excess({"a": 49.0, "b": calibration.thresholds["b"]})
    assert excess == {"a": pytest.approx(0), "b": pytest.approx(1)}


def test_p_values_count_healthy_draws_that_lie_as_far_out_as_the_value():
    draws = pd.DataFrame({"a": np.arange(99.0), "b": np.arange(99.0)})
    calibration = Calibration.of(draws, draws, 0.05, 0.95)
    each, overall = calibration.p_values({"a": 89.0, "b": 0.0})
    assert each == {"a": pytest.approx(0.11), "b": 1}  # itself and the draws 89 to 98
    assert overall == pytest.approx(0.11)
    assert min(calibration.p_values({"a": 98.0, "b": 98.0})[0].values()) == pytest.approx(0.02)


def test_an_auc_that_healthy_windows_do_not_reach_has_a_limit_that_can_be_exceeded():
    draws = pd.DataFrame({"domain_auc": np.random.default_rng(0).uniform(0.75, 0.99, 100), "steady": np.ones(100)})
    calibration = Calibration.of(draws, draws, 0.05, 0.95)
    assert draws["domain_auc"].max() - 0.01 < calibration.thresholds["domain_auc"] < 1
    assert calibration.excess({"domain_auc": 1.0, "steady": 1.0})["domain_auc"] > 1
    assert calibration.excess({"domain_auc": 0.5, "steady": 1.0})["domain_auc"] < 0
    assert calibration.excess(calibration.thresholds)["domain_auc"] == pytest.approx(1)


def test_an_auc_that_healthy_windows_reach_has_no_limit_beyond_1():
    draws = pd.DataFrame({"domain_auc": [0.9, 1.0] * 50, "steady": np.ones(100)})
    calibration = Calibration.of(draws, draws, 0.05, 0.95)
    assert calibration.thresholds["domain_auc"] == 1


def test_a_statistic_of_large_numbers_weighs_no_more_than_others():
    random = np.random.default_rng(0)
    draws = pd.DataFrame({"small": random.normal(size=200), "large": 1e6 + 1e4 * random.normal(size=200)})
    rescaled = draws / [1, 1e4]
    calibrations = [Calibration.of(table, table, 0.05, 0.95) for table in (draws, rescaled)]
    assert calibrations[0].limit == pytest.approx(calibrations[1].limit)
    values = [{"small": 2.5, "large": 1e6}, {"small": 2.5, "large": 1e2}]
    overall = [calibration.p_values(each)[1] for calibration, each in zip(calibrations, values, strict=True)]
    assert overall[0] == overall[1] < 0.1


def test_a_calibration_is_read_back_as_it_was_and_nothing_else_is(tmp_path):
    draws = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 2)), columns=["a", "b"])
    healthy = pd.DataFrame({"norm": [0.5, 1.5]})
    calibration, path = Calibration.of(draws, healthy, 0.05, 0.95), tmp_path / "drift.json"
    assert Calibration.load(path) is None
    calibration.save(path)
    assert Calibration.load(path) == calibration
    assert calibration.healthy == {"norm": [0.5, 1.5]}
    content = json.loads(path.read_text())
    fewer = {name: value for name, value in content.items() if name != "limit"}
    for other in (content | {"format": "hilander-drift-calibration/0"}, content | {"more": 1}, fewer, [], None):
        path.write_text(json.dumps(other))
        assert Calibration.load(path) is None


def test_healthy_values_are_reduced_to_quantiles_in_the_midst_of_equal_shares():
    found = quantiles(pd.DataFrame({"a": np.linspace(0, 1, 5001), "b": np.full(5001, 1 / 3)}))
    np.testing.assert_allclose(found["a"], (np.arange(400) + 0.5) / 400, atol=1e-6)
    assert found["b"].tolist() == [0.333333] * 400
    assert found.index.tolist() == list(range(400))
