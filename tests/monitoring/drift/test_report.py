import json
import re
import subprocess
import sys

import pandas as pd
import pytest

from hilander.monitoring.drift import Statistic, Verdict
from hilander.monitoring.drift.evidently_page import run_evidently
from hilander.monitoring.drift.report import write_drift_report
from hilander.monitoring.drift.verdict import reasons_of


def test_the_report_says_it_at_once_and_loads_nothing(drifted, tmp_path):
    path = write_drift_report(tmp_path / "drift.html", drifted, facts={"Window": "<today>"})
    html = path.read_text(encoding="utf-8")
    assert "This window has drifted" in html
    assert "&lt;today&gt;" in html
    assert 'href="drift-evidently.html"' in html
    assert (tmp_path / "drift-evidently.html").is_file()
    for page in tmp_path.iterdir():
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)', page.read_text(encoding="utf-8"))
        assert loaded == []


def test_evidently_finds_the_same_values_and_tests_them_at_our_limits(drifted):
    found = json.loads(run_evidently(drifted).json())
    values = {(m["config"]["type"].split(":")[-1], m["config"]["column"]): m["value"] for m in found["metrics"]}
    ours = {statistic.name: statistic for statistic in drifted.verdict.statistics}
    assert values["ValueDrift", "component_1"] == pytest.approx(ours["component_1"].value)
    assert values["MeanValue", "distance_within"] == pytest.approx(ours["distance_within_mean"].value)
    failed = sum(test["status"] == "FAIL" for test in found["tests"])
    assert failed == sum(s.drifted for s in ours.values() if s.name not in ("domain_auc", "mean_discrepancy"))


def test_a_verdict_survives_json_and_feeds_gauges(drifted):
    verdict = drifted.verdict
    assert Verdict.from_dict(json.loads(verdict.to_json())) == verdict
    gauges = verdict.gauges()
    assert gauges["hilander_drift_detected"] == 1.0
    for statistic in verdict.statistics:
        name = f"hilander_drift_{statistic.name}"
        assert (gauges[name], gauges[f"{name}_threshold"]) == (statistic.value, statistic.threshold)
    assert all(isinstance(value, float) for value in gauges.values())


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


def test_the_monitor_loads_evidently_only_for_its_page():
    program = "import sys, hilander.monitoring.drift; assert not {'evidently', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
