"""The columns of Parquet shards: as those of a file that is read in memory."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilander.data.errors import DataError
from hilander.data.parquet import read_parquet
from hilander.distributed.ids import read_ids
from hilander.distributed.source import Source


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(150, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "ids",
    [
        pa.array(["a", "b", None]),
        pa.array(["a", "b", None]).dictionary_encode(),
        pa.array([2**53 + 1, None, 7]),
        pa.array([True, None, False]),
        pa.array([1.0, 2.5, None]),
        pa.array([1, 2, 3], pa.timestamp("ms")),
    ],
)
def test_ids_are_those_that_are_read_in_memory(tmp_path, rows, ids):
    pq.write_table(pa.table({"id": ids, "embedding": rows[:3].tolist()}), tmp_path / "a.parquet")
    assert read_ids(Source.open(tmp_path)).tolist() == read_parquet(tmp_path / "a.parquet").ids.tolist()


def test_columns_of_one_name_are_refused(tmp_path, rows):
    lists = pa.array(rows.tolist())
    pq.write_table(pa.table([lists, lists], names=["embedding"] * 2), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: expected each column once, got several `embedding`"):
        Source.open(tmp_path)
    ids = pa.array(range(len(rows)))
    pq.write_table(pa.table([lists, ids, ids], names=["embedding", "id", "id"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: expected each column once, got several `id`"):
        read_ids(Source.open(tmp_path))
