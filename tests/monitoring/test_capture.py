import logging
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilander.monitoring.capture import CaptureWriter, read_captures
from hilander.monitoring.capture.store import SCHEMA, CaptureStore


def rows(n, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def wait_until(condition, seconds=10):
    gate = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        gate.wait(0.02)
    raise AssertionError("nothing happened in time")


def test_all_rows_come_back_in_order_with_what_was_answered(tmp_path):
    embeddings = rows(30)
    with CaptureWriter(str(tmp_path), max_rows_per_part=10) as capture:
        for start in range(0, 30, 3):
            part = slice(start, start + 3)
            capture.put(embeddings[part], np.arange(30)[part], np.linspace(0, 1, 30)[part], "v1")
    captures = read_captures(str(tmp_path))
    assert np.array_equal(captures.embeddings, embeddings)
    assert captures.labels.tolist() == list(range(30))
    assert captures.probabilities == pytest.approx(np.linspace(0, 1, 30))
    assert set(captures.model_versions) == {"v1"}
    assert captures.embeddings.dtype == np.float32
    assert capture.counters["rows_captured"] == 30
    assert len(list(tmp_path.glob("*.parquet"))) == capture.counters["parts_written"] >= 3


def test_labels_may_be_unknown_and_later_changes_by_the_caller_do_not_count(tmp_path):
    embeddings = rows(5)
    with CaptureWriter(str(tmp_path)) as capture:
        mine = embeddings.copy()
        capture.put(mine, None, None, "v1")
        mine[:] = 0
    captures = read_captures(str(tmp_path))
    assert np.array_equal(captures.embeddings, embeddings)
    assert captures.labels.tolist() == [-1] * 5
    assert np.isnan(captures.probabilities).all()


def test_a_part_is_written_after_a_while_though_few_rows_came(tmp_path):
    with CaptureWriter(str(tmp_path), max_seconds_per_part=0.05) as capture:
        capture.put(rows(1), [0], [1.0], "v1")
        wait_until(lambda: capture.counters["rows_captured"] == 1)


def test_a_full_queue_samples_and_counts(tmp_path):
    embeddings = rows(1000)
    with CaptureWriter(str(tmp_path), queue_rows=100, max_rows_per_part=1000) as capture:
        capture.put(embeddings, np.arange(1000), None, "v1")
    labels = read_captures(str(tmp_path)).labels
    assert len(labels) == 100
    assert labels.max() > 500  # a sample of the request, not its head
    assert capture.counters["rows_dropped"] == 900


@pytest.mark.parametrize("embeddings", [[1.0, 2.0], [[1.0], [2.0, 3.0]], "words", None, np.array([["a"]])])
def test_nonsense_is_counted_and_does_not_raise(tmp_path, embeddings):
    with CaptureWriter(str(tmp_path)) as capture:
        capture.put(embeddings, [0], [1.0], "v1")
        capture.put(rows(1), [0], [1.0], "v1")
    assert capture.counters["rows_rejected"] >= 1
    assert capture.counters["rows_captured"] == 1


def test_a_missing_disk_is_counted_and_used_again_when_it_is_back(tmp_path, caplog):
    folder = tmp_path / "captures"
    folder.write_text("a file where the folder should be")
    with CaptureWriter(str(folder), max_rows_per_part=1) as capture:
        with caplog.at_level(logging.WARNING):
            capture.put(rows(3), None, None, "v1")
            wait_until(lambda: capture.counters["write_failures"] == 1)
        assert capture.counters["rows_lost"] == 3
        folder.unlink()
        capture.put(rows(2), None, None, "v1")
        wait_until(lambda: capture.counters["rows_captured"] == 2)
    assert "rows are lost until it works again" in caplog.text


def test_a_full_disk_leaves_no_torn_part(tmp_path):
    program = f"""
import resource, numpy as np
from hilander.monitoring.capture import CaptureWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
with CaptureWriter({str(tmp_path)!r}) as capture:
    capture.put(np.random.default_rng(0).normal(size=(1000, 64)), None, None, "v1")
assert capture.counters["write_failures"] == 1, capture.counters
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert list(tmp_path.iterdir()) == []


def test_the_store_stays_within_bytes_and_age(tmp_path):
    with CaptureWriter(str(tmp_path), max_rows_per_part=100, max_bytes=20_000) as capture:
        for seed in range(20):
            capture.put(rows(100, 16, seed), np.full(100, seed), None, "v1")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000
    assert read_captures(str(tmp_path)).labels[-1] == 19  # the newest stay
    assert capture.counters["parts_deleted"] > 0
    with CaptureWriter(str(tmp_path), max_age_days=1e-9) as capture:
        capture.put(rows(1), None, None, "v1")
    assert len(read_captures(str(tmp_path))) == 0


def test_torn_and_foreign_files_are_skipped_with_a_warning(tmp_path, caplog):
    with CaptureWriter(str(tmp_path), max_rows_per_part=1) as capture:
        for label in range(3):
            capture.put(rows(1), [label], None, "v1")
    torn, *_ = sorted(tmp_path.glob("*.parquet"))
    torn.write_bytes(torn.read_bytes()[:100])
    (tmp_path / "notes.txt").write_text("hello")
    with caplog.at_level(logging.WARNING):
        captures = read_captures(str(tmp_path))
    assert captures.labels.tolist() == list(range(3))[3 - len(captures) :]
    assert "torn" in caplog.text
    assert "notes.txt" in caplog.text


def test_a_window_is_chosen_by_time_version_and_number(tmp_path):
    with CaptureWriter(str(tmp_path), max_rows_per_part=1, max_seconds_per_part=0.01) as capture:
        capture.put(rows(4), [0, 1, 2, 3], None, "old")
        wait_until(lambda: capture.counters["rows_captured"] == 4)
        between = datetime.now(UTC)
        capture.put(rows(4), [4, 5, 6, 7], None, "new")
    url = str(tmp_path)
    assert read_captures(url, since=between).labels.tolist() == [4, 5, 6, 7]
    assert read_captures(url, until=between).labels.tolist() == [0, 1, 2, 3]
    assert read_captures(url, model_version="old").labels.tolist() == [0, 1, 2, 3]
    assert read_captures(url, max_rows=6).labels.tolist() == [2, 3, 4, 5, 6, 7]
    assert len(read_captures(url, since=datetime.now(UTC) + timedelta(days=1))) == 0
    with pytest.raises(ValueError, match="time zone"):
        read_captures(url, since=datetime(2026, 1, 1))


def test_another_encoders_rows_do_not_mix(tmp_path, caplog):
    with CaptureWriter(str(tmp_path)) as capture:
        capture.put(rows(2, 4), None, None, "old")
        capture.put(rows(3, 8), None, None, "new")
    with caplog.at_level(logging.WARNING):
        assert read_captures(str(tmp_path)).embeddings.shape in {(3, 8), (2, 4)}
    assert "ask for one model_version" in caplog.text
    assert read_captures(str(tmp_path), model_version="old").embeddings.shape == (2, 4)


def test_two_processes_share_a_store(tmp_path):
    program = f"""
import numpy as np
from hilander.monitoring.capture import CaptureWriter
with CaptureWriter({str(tmp_path)!r}, max_rows_per_part=5) as capture:
    for _ in range(20):
        capture.put(np.ones((5, 3)), None, None, "v1")
"""
    for worker in [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]:
        assert worker.wait() == 0
    assert len(read_captures(str(tmp_path))) == 200
    assert all(pq.ParquetFile(path).metadata.num_rows for path in tmp_path.iterdir())


def test_the_newest_rows_are_found_where_parts_overlap_in_time(tmp_path):
    def part(first, labels):
        times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=first + i) for i in range(len(labels))]
        columns = [times, ["v1"] * len(labels), [[1.0]] * len(labels), labels, [1.0] * len(labels)]
        CaptureStore(str(tmp_path)).write(pa.table(columns, schema=SCHEMA))

    part(0, list(range(10)))  # ends last, and begins first
    part(5.5, [100, 101, 102])
    assert read_captures(str(tmp_path), max_rows=4).labels.tolist() == [7, 102, 8, 9]
    assert read_captures(str(tmp_path), max_rows=10).labels.tolist() == [3, 4, 5, 100, 6, 101, 7, 102, 8, 9]
    with pytest.raises(ValueError, match="at least 1"):
        read_captures(str(tmp_path), max_rows=0)


def test_any_fsspec_url_will_do():
    with CaptureWriter("memory://captures") as capture:
        capture.put(rows(3), None, None, "v1")
    assert len(read_captures("memory://captures")) == 3


def test_switched_off_and_closed_it_does_nothing(tmp_path):
    off = CaptureWriter(str(tmp_path), enabled=False)
    off.put(rows(3), None, None, "v1")
    closed = CaptureWriter(str(tmp_path))
    closed.close()
    closed.put(rows(3), None, None, "v1")
    assert closed.counters["rows_dropped"] == 3
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="enabled=False"):
        CaptureWriter(str(tmp_path), queue_rows=0)


def test_capture_loads_neither_evidently_nor_torch():
    program = "import sys, hilander.monitoring.capture; assert not {'evidently', 'torch', 'fsspec'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_parts_of_a_clock_that_was_ahead_go_before_those_of_now(tmp_path):
    store, now = CaptureStore(str(tmp_path)), datetime.now(UTC)
    for moment in (now + timedelta(days=900), now - timedelta(days=90), now):
        columns = [[moment], ["v1"], [[1.0, 0.0]], [0], [1.0]]
        store.write(pa.table([pa.array(*pair) for pair in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA))
    n_bytes = store.parts()[0][0].n_bytes
    assert store.prune(10 * n_bytes, timedelta(days=30)) == 1  # the old one
    assert store.prune(int(1.5 * n_bytes), timedelta(days=30)) == 1
    assert [part.last for part in store.parts()[0]] == [now]


@pytest.mark.parametrize("nonsense", [np.nan, np.inf, 1e300, 0.0])
def test_one_row_that_is_no_embedding_does_not_spoil_the_windows_to_come(tmp_path, nonsense):
    spoiled = rows(5).astype(np.float64)
    spoiled[3] = nonsense
    with CaptureWriter(str(tmp_path)) as capture:
        capture.put(spoiled, None, None, "v1")
        capture.put(rows(2), None, None, "v1")
    assert np.array_equal(read_captures(str(tmp_path)).embeddings, rows(2))
    assert (capture.counters["rows_rejected"], capture.counters["rows_captured"]) == (5, 2)
