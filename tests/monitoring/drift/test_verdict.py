import json

import pandas as pd
import pytest

from hilander.monitoring.drift import Statistic, Verdict
from hilander.monitoring.drift.verdict import SCALAR_TITLES, TITLES, reasons_of

COUNTS = {"n_window": 500, "n_distinct": 400, "n_compared": 256, "n_reference": 900}
NOW = pd.DataFrame({name: [0.25, 0.75] for name in [*SCALAR_TITLES, "singleton"]})
USUAL = pd.DataFrame({name: [0.125, 0.25] for name in NOW})


def test_what_programs_read_tells_which_statistics_have_drifted():
    statistics = [Statistic("linkage", 0.4, 0.3, 0.01, 1.2), Statistic("density", 0.2, 0.25, 0.5, 0.8)]
    verdict = Verdict(True, 0.02, ["It has."], statistics, 0.05, **COUNTS)
    assert [entry["drifted"] for entry in json.loads(verdict.to_json())["statistics"]] == [True, False]
    assert verdict.gauges() == {
        "hilander_drift_detected": 1,
        "hilander_drift_p_value": 0.02,
        "hilander_drift_window_rows": 500,
        "hilander_drift_linkage": 0.4,
        "hilander_drift_linkage_threshold": 0.3,
        "hilander_drift_density": 0.2,
        "hilander_drift_density_threshold": 0.25,
    }


def test_reasons_come_farthest_out_first_and_say_what_is_usual():
    statistics = [
        Statistic("linkage", 0.4, 0.3, 0.01, 1.2),
        Statistic("singleton", 2.0, 1.0, 0.01, 3.0),
        Statistic("density", 0.2, 0.2, 0.5, 1.0),  # at its limit, not beyond
        Statistic("domain_auc", 0.5, 0.6, 0.5, 0.1),
    ]
    now = pd.DataFrame({"linkage": [0.25, 0.75], "singleton": [1.0, 0.5]})
    usual = pd.DataFrame({"linkage": [0.8, 0.8], "singleton": [0.0, 0.25]})
    farthest, other = reasons_of(statistics, now, usual)
    assert farthest == "75.0% of the items stand alone; 12.5% are usual."
    assert other.startswith("Likeliest link of each item: mean 0.500, usually 0.800;")
    (healthy,) = reasons_of(statistics[2:], now, usual)
    assert healthy.startswith("Nothing drifted")
    assert "Predicted density" in healthy


def test_what_lies_farthest_out_is_not_what_has_the_largest_value():
    near, far = Statistic("component_1", 9.0, 8.0, 0.01, 1.1), Statistic("component_2", 0.5, 0.1, 0.01, 5.0)
    first, second = reasons_of([near, far], NOW, USUAL)
    assert first.startswith("Principal component 2")
    assert second.startswith("Principal component 1")


@pytest.mark.parametrize("name", [name for name in TITLES if name != "singleton"])
def test_every_reason_gives_the_value_and_then_the_limit(name):
    (reason,) = reasons_of([Statistic(name, 0.6543, 0.3211, 0.01, 2.0)], NOW, USUAL)
    assert 0 < reason.index("0.654") < reason.index("0.321")
    if name in SCALAR_TITLES:
        assert f"{TITLES[name]}: mean 0.500, usually 0.188;" in reason


def test_a_healthy_window_is_told_how_near_it_came_to_which_limit():
    statistics = [Statistic("norm", 0.1234, 0.9876, 0.3, 0.1), Statistic("domain_auc", 0.5432, 0.6543, 0.2, 0.4)]
    (reason,) = reasons_of(statistics, NOW, USUAL)
    assert "“Telling window and reference apart” (0.543, limit 0.654)" in reason
