"""`hilander cluster` part by part."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from hilander.cli import app


def run(*arguments):
    return CliRunner().invoke(app, ["cluster", *map(str, arguments)])


@pytest.fixture
def shards(tmp_path, monkeypatch):
    """Two Parquet shards of 60 items with ids, in the current folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    embeddings = np.repeat(rng.normal(size=(12, 8)), 10, axis=0) + 0.1 * rng.normal(size=(120, 8))
    table = pd.DataFrame({"id": [f"face {i}" for i in range(120)], "embedding": list(embeddings)})
    (tmp_path / "faces").mkdir()
    table[:50].to_parquet("faces/0.parquet")
    table[50:].to_parquet("faces/1.parquet")
    return embeddings


def test_shards_are_clustered_in_parts_as_in_one(shards):
    np.save("faces.npy", shards)
    assert run("faces.npy", "-o", "whole.csv").exit_code == 0
    for number in range(2):
        result = run("faces", "--run-folder", "work", "-o", f"parts{number}.csv")
        assert result.exit_code == 0, result.output
        found, whole = pd.read_csv(f"parts{number}.csv"), pd.read_csv("whole.csv")
        assert (found["cluster"] == whole["cluster"]).all()
        assert list(found["id"]) == [f"face {i}" for i in range(120)]


def test_long_numbers_beside_a_missing_one_stay_ids(shards):
    ids = pd.array([None, *range(2**60 + 1, 2**60 + 120)], "Int64")
    pd.DataFrame({"id": ids, "embedding": list(shards)}).to_parquet("numbered.parquet")
    for extra in ((), ("--run-folder", "work")):
        assert run("numbered.parquet", "-o", "clusters.parquet", *extra).exit_code == 0
        found = pd.read_parquet("clusters.parquet")["id"].tolist()
        assert found == ["", *map(str, ids[1:])]


def test_pairs_name_the_ids_of_the_shards(shards):
    pd.DataFrame({"a": ["face 0"], "b": ["face 119"]}).to_csv("same.csv", index=False)
    result = run("faces", "--run-folder", "work", "--must-link", "same.csv", "-o", "clusters.csv")
    assert result.exit_code == 0, result.output
    clusters = pd.read_csv("clusters.csv")["cluster"]
    assert clusters[0] == clusters[119]


def test_ids_that_come_in_several_shards_are_told(shards):
    pd.DataFrame({"id": ["face 7", "face 8"], "embedding": list(shards[7:9])}).to_parquet("faces/2.parquet")
    for extra in ((), ("--run-folder", "work")):
        result = run("faces", "-o", "clusters.csv", *extra)
        assert result.exit_code == 0, result.output
        assert "note: 2 ids occur before; clusters can then not be matched by id" in result.output


def test_what_cannot_be_done_in_parts_is_told(shards):
    result = run("faces", "--run-folder", "work", "--encoder", "somewhere")
    assert result.exit_code == 1
    assert "encode the images first" in result.output
    result = run("nothing/", "--run-folder", "work")
    assert result.exit_code == 1
    assert "expected .npy or .parquet files of embeddings in nothing" in result.output
