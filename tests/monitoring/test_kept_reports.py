from datetime import UTC, datetime, timedelta, timezone

import pytest

from hilander.monitoring.kept_reports import remove_old_reports, report_path

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def write(folder, *hours_ago):
    for hours in hours_ago:
        path = report_path(folder, NOW - timedelta(hours=hours))
        path.touch()
        path.with_name(f"{path.stem}-evidently.html").touch()


def kept(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_reports_stay_with_their_second_page(tmp_path):
    write(tmp_path, 0, 1, 2, 3)
    assert remove_old_reports(tmp_path, 2, NOW) == 2
    assert kept(tmp_path) == [
        "drift-20260301T110000000000-evidently.html", "drift-20260301T110000000000.html",
        "drift-20260301T120000000000-evidently.html", "drift-20260301T120000000000.html",
    ]  # fmt: skip
    assert remove_old_reports(tmp_path, 2, NOW) == 0
    assert remove_old_reports(tmp_path / "nowhere", 2, NOW) == 0


def test_reports_named_to_the_second_as_they_once_were_count_too(tmp_path):
    (tmp_path / "drift-20260301T115959.html").touch()
    write(tmp_path, 0)
    assert remove_old_reports(tmp_path, 1, NOW) == 1
    assert len(kept(tmp_path)) == 2


def test_nothing_else_is_removed(tmp_path):
    others = [
        "calibration",
        "drift-by-hand.html",
        "drift-20260301T110000.html.bak",
        "drift.jsonl",
        "last_training.json",
    ]
    for name in others:
        (tmp_path / name).touch()
    write(tmp_path, 0, 1)
    remove_old_reports(tmp_path, 1, NOW)
    assert kept(tmp_path) == sorted(
        [*others, "drift-20260301T120000000000-evidently.html", "drift-20260301T120000000000.html"]
    )


def test_reports_of_the_future_do_not_push_out_those_of_now(tmp_path):
    write(tmp_path, 0, 1, -48, -72)
    remove_old_reports(tmp_path, 2, NOW)
    assert [name[6:17] for name in kept(tmp_path)] == ["20260301T11"] * 2 + ["20260301T12"] * 2


def test_names_are_in_universal_time_and_differ_within_a_second(tmp_path):
    here = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert report_path(tmp_path, here) == report_path(tmp_path, NOW)
    assert report_path(tmp_path, NOW + timedelta(microseconds=1)) != report_path(tmp_path, NOW)


def test_none_cannot_be_asked_for(tmp_path):
    with pytest.raises(ValueError, match="at least 1"):
        remove_old_reports(tmp_path, 0, NOW)
