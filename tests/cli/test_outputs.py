"""`hilander import-data`, and the places that any command may write to."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import run


def test_import_data(files):
    result = run("import-data", "labelled.npz", "data/mine.parquet")
    assert result.exit_code == 0, result.output
    assert len(pd.read_parquet("data/mine.parquet")) == 240


def test_urls_where_only_this_machine_is_read_or_written_are_refused_as_such(files):
    # A path keeps one slash of two: a folder s3: was made here, and the clusters were said to be written.
    asked = {
        ("cluster", "s3://bucket/faces.npy"): "to read the URL s3://bucket/faces.npy, name a --run-folder",
        ("train", "s3://bucket/faces.npz"): "expected data on this machine, got the URL s3://…; fetch it first",
        ("cluster", "others.npy", "-o", "s3://bucket/c.csv"): "the output must lie on this machine, got the URL s3://…",
        ("train", "labelled.npz", "-o", "gs://bucket/model"): "the output must lie on this machine, got the URL gs://…",
        ("import-data", "labelled.npz", "s3://bucket/x.npz"): "the output must lie on this machine, got the URL s3://…",
    }
    before = sorted(files.iterdir())
    for arguments, words in asked.items():
        result = run(*arguments)
        assert result.exit_code == 1
        assert words in result.output
    assert sorted(files.iterdir()) == before


def test_a_folder_that_is_called_like_a_protocol_can_be_written_to(files):
    Path("s3:").mkdir()
    assert run("import-data", "labelled.npz", "s3:/bucket/x.npz").exit_code == 0
    assert Path("s3:/bucket/x.npz").is_file()


def test_an_output_in_a_home_that_no_shell_has_written_out_is_refused(files):
    asked = (
        ("cluster", "others.npy", "--output=~/c.csv"),
        ("train", "labelled.npz", "--output=~/models/a"),
        ("import-data", "labelled.npz", "~/x.npz"),
    )
    for arguments in asked:
        result = run(*arguments)
        assert result.exit_code == 1
        assert "begins with ~, which the shell writes out after a space, not after =" in result.output
    assert not (files / "~").exists()
    (files / "~").mkdir()
    assert run("import-data", "labelled.npz", "~/x.npz").exit_code == 0
    assert (files / "~" / "x.npz").is_file()


@pytest.mark.parametrize("name", ["labels.npy", "others_labels.npy"])
def test_true_labels_that_lie_beside_the_data_are_not_overwritten(files, name):
    (files / "data").mkdir()
    shutil.copy("others.npy", "data/others.npy")
    shutil.copy("true.npy", f"data/{name}")
    for data in ("data/others.npy", "data"):
        result = run("cluster", data, "-o", f"data/{name}")
        assert result.exit_code == 1
        assert f"data/{name} is read here, so it would be overwritten" in result.output
    assert (files / "data" / name).read_bytes() == (files / "true.npy").read_bytes()


def test_a_demo_that_could_not_write_its_model_does_not_begin(files):
    (files / "demo" / "model").mkdir(parents=True)
    (files / "demo" / "model" / "notes.txt").touch()
    result = run("demo", "demo")
    assert result.exit_code == 1
    assert "holds files but no model" in result.output
    assert "1/4" not in result.output
