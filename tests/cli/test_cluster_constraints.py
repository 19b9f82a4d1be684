"""`hilander cluster` with pairs from files."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from hilander.cli import app
from hilander.cli.pairs import read_pairs


def run(*arguments):
    return CliRunner().invoke(app, ["cluster", "items.npz", "-o", "clusters.csv", *map(str, arguments)])


@pytest.fixture
def ids(tmp_path, monkeypatch):
    """Two tight groups of five items each, in the current folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    embeddings = np.repeat(np.eye(8)[:2], 5, axis=0) + 0.05 * rng.normal(size=(10, 8))
    ids = np.array([f"item {i}" for i in range(10)])
    np.savez("items.npz", embeddings=embeddings, ids=ids)
    return ids


def test_pairs_sizes_and_outliers_reach_the_clustering(ids):
    assert run().exit_code == 0
    names = pd.read_csv("clusters.csv")["id"].astype(str).to_numpy()
    pd.DataFrame({"first": [names[0]], "second": [names[5]]}).to_csv("same.csv", index=False)
    np.save("different.npy", np.array([[1, 2], [1, 0], [1, 3], [1, 4]]))
    result = run("--must-link", "same.csv", "--cannot-link", "different.npy", "--outliers", "label")
    assert result.exit_code == 0, result.output
    clusters = pd.read_csv("clusters.csv")["cluster"].to_numpy()
    assert clusters[0] == clusters[5]
    assert clusters[1] == -1
    assert "1 items stand alone" in result.output
    assert run("--max-cluster-size", 2, "--granularity", 0.5).exit_code == 0
    assert pd.read_csv("clusters.csv")["cluster"].value_counts().max() == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("first,second\nitem 0,nobody\n", "'nobody', which is no item's id"),
        ("item 0,item 1\nitem 2,item 3\n", "put a header line before it"),
        ("a,b,c\n1,2,3\n", "two columns of ids, got 3"),
        ("first,second\nitem 0,item 1,item 2\n", "more fields than the first line names"),
    ],
)
def test_files_of_other_content_get_a_sentence(ids, tmp_path, content, message):
    path = tmp_path / "pairs.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_pairs(path, ids)


def test_columns_of_parquet_are_names_whatever_items_are_called(tmp_path):
    path = tmp_path / "pairs.parquet"
    pd.DataFrame({"0": [2], "1": [4]}).to_parquet(path)  # as a table without names is written
    assert read_pairs(path, np.arange(5).astype(str)).tolist() == [[2, 4]]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy"])
def test_an_empty_file_is_named(ids, tmp_path, suffix):
    (tmp_path / f"empty{suffix}").touch()
    result = run("--must-link", f"empty{suffix}")
    assert result.exit_code == 1
    assert f"Error: empty{suffix} cannot be read" in result.output


def test_an_archive_is_no_array_of_pairs(ids, tmp_path):
    np.savez(tmp_path / "pairs.npz", pairs=np.array([[0, 1]]))
    (tmp_path / "pairs.npz").rename(tmp_path / "pairs.npy")
    with pytest.raises(ValueError, match="is an archive"):
        read_pairs(tmp_path / "pairs.npy", ids)


def test_bad_pairs_end_in_one_sentence(ids):
    np.save("pairs.npy", np.array([[0, 99]]))
    result = run("--must-link", "pairs.npy")
    assert result.exit_code == 1
    assert "numbered from 0 to 9" in result.output
    assert "pairs are kept in" in run("--cannot-link", "pairs.txt").output
