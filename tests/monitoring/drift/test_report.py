import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from hilander.monitoring.drift import Verdict
from hilander.monitoring.drift.evidently_page import run_evidently
from hilander.monitoring.drift.report import write_drift_report


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


def test_the_report_says_where_the_classifier_can_tell_nothing(drifted, tmp_path):
    assert "tells nothing here" not in write_drift_report(tmp_path / "a.html", drifted).read_text(encoding="utf-8")
    statistics = [
        replace(statistic, threshold=1.0) if statistic.name == "domain_auc" else statistic
        for statistic in drifted.verdict.statistics
    ]
    blind = replace(drifted, verdict=replace(drifted.verdict, statistics=statistics))
    assert "tells nothing here" in write_drift_report(tmp_path / "b.html", blind).read_text(encoding="utf-8")


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


def test_the_monitor_loads_evidently_only_for_its_page():
    program = "import sys, hilander.monitoring.drift; assert not {'evidently', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
