import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hilander.data import DataError, Dataset, write_dataset
from hilander.stages import validate

N = 40
LABELS = np.array([f"class{i // 4}" for i in range(N)])
EMBEDDINGS = np.random.default_rng(0).normal(size=(N, 4))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_dataset(Dataset(np.arange(N), LABELS, embeddings=EMBEDDINGS), "data/mine.parquet")
    Path("params.yaml").write_text("validate: {min_classes: 3}")
    return tmp_path


def test_good_data_leave_counts_and_a_violation_keeps_them(folder):
    validate.main()
    counts = json.loads(validate.REPORT.read_text())
    assert counts["success"] is True
    assert (counts["splits"]["train"]["n_classes"], counts["splits"]["test"]["n_classes"]) == (7, 3)
    assert (validate.DOCS / "index.html").is_file()

    before = validate.REPORT.stat()
    splits = np.where(np.arange(N) < 22, "train", "test")
    write_dataset(Dataset(np.arange(N), LABELS, splits, embeddings=EMBEDDINGS), "data/mine.parquet")
    with pytest.raises(DataError, match="classes with items in two splits: class5"):
        validate.main()
    assert validate.REPORT.stat() == before


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("zero vector", "zero vectors: 17"),
        ("unknown key", "did you mean 'min_classes'"),
        ("no data", "dvc pull"),
        ("no room for reports", "File exists: 'reports'"),
        ("no Great Expectations", "pip install 'hilander[pipeline]'"),
    ],
)
def test_the_program_stops_with_a_sentence_and_a_failing_exit_code(folder, fault, message):
    if fault == "zero vector":
        broken = EMBEDDINGS.copy()
        broken[17] = 0
        write_dataset(Dataset(np.arange(N), LABELS, embeddings=broken), "data/mine.parquet")
    elif fault == "unknown key":
        Path("params.yaml").write_text("validate: {min_clases: 3}")
    elif fault == "no room for reports":
        Path("reports").touch()
    elif fault == "no Great Expectations":
        Path("great_expectations.py").write_text("raise ImportError")  # found before the one that is installed
    else:
        Path("data/mine.parquet").rename("elsewhere.parquet")
        Path("data").rmdir()
    command = [sys.executable, "-m", "hilander.stages.validate"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not validate.REPORT.exists()


def test_items_of_no_split_are_refused_and_those_of_others_told_of(folder, capsys):
    splits = np.where(np.arange(N) < 20, "train", "test")
    splits[[3, 33]] = "", "tset"
    write_dataset(Dataset(np.arange(N), LABELS, splits, embeddings=EMBEDDINGS), "data/mine.parquet")
    with pytest.raises(DataError, match="items without a split, beside others that have one: 3; name a split for each"):
        validate.main()
    splits[3] = "train"
    write_dataset(Dataset(np.arange(N), LABELS, splits, embeddings=EMBEDDINGS), "data/mine.parquet")
    validate.main()
    assert "1 of 40 items are of other splits and are left out: tset" in capsys.readouterr().out
    splits[33] = "test"
    write_dataset(Dataset(np.arange(N), LABELS, splits, embeddings=EMBEDDINGS), "data/mine.parquet")
    validate.main()
    assert "left out" not in capsys.readouterr().out


def test_labels_beside_a_single_file_are_refused_since_dvc_would_not_watch_them(folder):
    np.save("data/mine.npy", EMBEDDINGS)
    np.save("data/mine_labels.npy", LABELS)
    Path("params.yaml").write_text("data: {path: data/mine.npy}\nvalidate: {min_classes: 3}")
    with pytest.raises(DataError, match=r"lie in data/mine_labels\.npy, where DVC would not see them"):
        validate.main()
    Path("data/mine.parquet").unlink()
    Path("params.yaml").write_text("data: {path: data}\nvalidate: {min_classes: 3}")
    validate.main()
