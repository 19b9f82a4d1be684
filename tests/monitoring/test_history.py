from datetime import UTC, datetime, timedelta

import pytest

from hilander.monitoring.drift import Statistic, Verdict
from hilander.monitoring.history import Judgement, append_judgement, cooled_down, read_history, sustained

START = datetime(2026, 3, 1, tzinfo=UTC)


def judgement(hour, drifted, version="v1"):
    statistics = [Statistic("domain_auc", 0.7 if drifted else 0.5, 0.6, 0.01, 2.0)]
    verdict = Verdict(drifted, 0.01, ["Because."], statistics, 0.05, 500, 499, 384, 9000)
    return Judgement(START + timedelta(hours=hour), version, verdict)


def test_what_was_appended_is_read_back_in_its_order(tmp_path):
    entries = [judgement(1, True), judgement(2, False)]
    for entry in entries:
        append_judgement(tmp_path / "history", entry)
    assert read_history(tmp_path / "history") == entries
    assert read_history(tmp_path / "nowhere") == []


def test_verdicts_of_a_clock_that_was_ahead_are_not_the_last_ones_for_ever(tmp_path):
    for entry in (judgement(24 * 365, True), judgement(24 * 365 + 1, True), judgement(1, False)):
        append_judgement(tmp_path, entry)
    assert not sustained(read_history(tmp_path), 2)


def test_a_torn_line_costs_itself_only(tmp_path, caplog):
    path = append_judgement(tmp_path, judgement(1, True))
    path.write_bytes(path.read_bytes() + b'\xff\x00\n3\nnull\n{"time": "2026-')
    append_judgement(tmp_path, judgement(2, True))
    assert len(read_history(tmp_path)) == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 4


def test_the_last_ones_are_the_last_of_all_however_many_came_before(tmp_path):
    entries = [judgement(hour, hour % 2 == 0, f"v{hour % 3}") for hour in range(8000)]
    path = append_judgement(tmp_path, entries[0])
    for entry in entries[1:]:
        append_judgement(tmp_path, entry)
    assert path.stat().st_size > 2 * 2**20  # read in several blocks, which begin within lines
    assert read_history(tmp_path) == entries
    assert read_history(tmp_path, last=5) == entries[-5:]
    assert read_history(tmp_path, last=9000) == entries
    assert read_history(tmp_path, last=3, model_version="v1") == entries[1::3][-3:]
    assert read_history(tmp_path, model_version="v") == []
    with pytest.raises(ValueError, match="last must be at least 1"):
        read_history(tmp_path, last=0)


def test_the_end_of_a_long_history_is_read_without_what_comes_before(tmp_path, caplog):
    path = append_judgement(tmp_path, judgement(1, True))
    path.write_bytes(b"torn\n" * 10**6 + path.read_bytes())
    assert read_history(tmp_path, last=1) == [judgement(1, True)]
    assert read_history(tmp_path, last=2, model_version="v1") == [judgement(1, True)]
    assert not caplog.records  # nothing of that was parsed


@pytest.mark.parametrize(
    ("drifted", "n", "expected"),
    [("011", 2, True), ("011", 3, False), ("110", 1, False), ("1", 2, False), ("", 1, False), ("111", 3, True)],
)
def test_drift_is_sustained_when_the_last_n_all_say_so(drifted, n, expected):
    history = [judgement(hour, said == "1") for hour, said in enumerate(drifted)]
    assert sustained(history, n) is expected


def test_verdicts_on_an_earlier_model_do_not_count():
    history = [judgement(1, True, "old"), judgement(2, True, "new")]
    assert sustained(history, 2)
    assert not sustained(history, 2, model_version="new")
    with pytest.raises(ValueError, match="at least 1"):
        sustained(history, 0)


def test_it_cools_down():
    hour = timedelta(hours=1)
    assert cooled_down(None, START, hour)
    assert not cooled_down(START, START + hour / 2, hour)
    assert cooled_down(START, START + hour, hour)
    assert not cooled_down(START + hour / 2, START, hour)  # another machine's clock
    assert cooled_down(START + 1000 * hour, START, hour)  # a clock that was wrong


def test_a_time_without_a_zone_is_refused(tmp_path):
    naive = Judgement(datetime(2026, 3, 1), "v1", judgement(0, True).verdict)
    with pytest.raises(ValueError, match="time zone"):
        append_judgement(tmp_path, naive)
