"""Shards that change, vanish or are damaged after a run has begun."""

import uuid

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilander import HiLander
from hilander.data.errors import DataError
from hilander.distributed.ids import read_ids
from hilander.distributed.source import Source


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(150, 3)).astype(np.float32)


def save(path, rows):
    if path.suffix == ".npy":
        np.save(path, rows)
    else:
        ids = [f"item {i}" for i in range(len(rows))]
        pq.write_table(pa.table({"id": ids, "embedding": rows.tolist()}), path, row_group_size=75)


@pytest.mark.parametrize("suffix", ["npy", "parquet"])
@pytest.mark.parametrize("n_left", [0, 110, 130])
def test_a_shard_that_lost_rows_since_it_was_opened_is_named(tmp_path, rows, suffix, n_left):
    save(tmp_path / f"a.{suffix}", rows)
    source = Source.open(tmp_path)
    save(tmp_path / f"a.{suffix}", rows[:n_left])
    with pytest.raises(DataError, match=rf"a\.{suffix} has changed since this run began: expected rows up to 150, "):
        source.pieces[-1].read()


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_that_were_read_stay_when_their_file_is_written_over(tmp_path, rows, order):
    save(tmp_path / "a.npy", np.asarray(rows, order=order))
    found = Source.open(tmp_path).pieces[0].read()
    with (tmp_path / "a.npy").open("r+b") as file:  # cut short, it would end the process that maps it
        file.seek(128)
        file.write(bytes(rows.nbytes))
    np.testing.assert_array_equal(found, rows)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("place", ["folder", "memory"])
def test_every_version_of_the_format_is_read(tmp_path, rows, version, place):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, rows, version)
    where = str(tmp_path) if place == "folder" else f"memory://{uuid.uuid4().hex}"
    if place == "memory":
        with fsspec.open(f"{where}/a.npy", "wb") as file:
            file.write((tmp_path / "a.npy").read_bytes())
    np.testing.assert_array_equal(Source.open(where).pieces[0].read(), rows)


@pytest.mark.parametrize("suffix", ["npy", "parquet"])
def test_a_shard_that_is_gone_or_that_a_worker_cannot_see_is_named(tmp_path, rows, suffix):
    save(tmp_path / f"a.{suffix}", rows)
    source = Source.open(tmp_path)
    (tmp_path / f"a.{suffix}").unlink()
    with pytest.raises(DataError, match=rf"a\.{suffix} is not there on .*: all workers must see the shards"):
        source.pieces[0].read()


def damage(path, column):
    """Overwrite a column's pages of the second row group."""
    begin = pq.ParquetFile(path).metadata.row_group(1).column(column).data_page_offset
    content = bytearray(path.read_bytes())
    content[begin : begin + 40] = b"\xff" * 40
    path.write_bytes(content)


def test_a_shard_whose_pages_are_damaged_is_named(tmp_path, rows):
    for name in ("a.parquet", "b.parquet"):
        save(tmp_path / name, rows)
    damage(tmp_path / "b.parquet", 1)
    source = Source.open(tmp_path)
    with pytest.raises(DataError, match=r"b\.parquet cannot be read as Parquet: "):
        [piece.read() for piece in source.pieces]
    damage(tmp_path / "b.parquet", 0)
    with pytest.raises(DataError, match=r"b\.parquet cannot be read as Parquet: "):
        read_ids(source)


def test_shards_that_change_while_others_are_read_are_named(tmp_path, rows):
    for name in ("a.npy", "b.npy"):
        save(tmp_path / name, rows)
    source = Source.open(tmp_path)
    save(tmp_path / "b.npy", rows[::-1])
    with pytest.raises(DataError, match=r"b\.npy changed while shards were read; begin anew, in another run folder"):
        HiLander(run_folder=tmp_path / "run").fit(source)


def test_shards_that_come_later_are_left_out_and_those_read_may_go(tmp_path, rows):
    save(tmp_path / "a.npy", rows)
    source = Source.open(tmp_path)
    save(tmp_path / "b.npy", rows)
    labels = HiLander(run_folder=tmp_path / "run").fit_predict(source)
    np.testing.assert_array_equal(labels, HiLander().fit_predict(rows))
    (tmp_path / "a.npy").unlink()
    np.testing.assert_array_equal(HiLander(run_folder=tmp_path / "run").fit_predict(source), labels)


def test_an_opened_source_is_read_in_parts_alone(tmp_path, rows):
    save(tmp_path / "a.npy", rows)
    with pytest.raises(ValueError, match=r"must be an array; to read .*a\.npy part by part"):
        HiLander().fit(Source.open(tmp_path / "a.npy"))
