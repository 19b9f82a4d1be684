import io
import os
import threading
import uuid
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.utils import infer_storage_options

from hilander.data.errors import DataError
from hilander.distributed import parquet_shard
from hilander.distributed import source as module
from hilander.distributed.source import Source, from_array
from hilander.distributed.store import Store


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 40)


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(150, 3)).astype(np.float32)


def write_parquet(path, rows, row_group_size, column="embedding"):
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    ids = pa.array([f"item {i}" for i in range(len(rows))])
    pq.write_table(pa.table({"id": ids, column: lists}), path, row_group_size=row_group_size)


def gathered(source):
    starts = [piece.first_row for piece in source.pieces]
    sizes = [piece.stop - piece.start for piece in source.pieces]
    assert starts == [0, *np.cumsum(sizes)[:-1]]
    assert max(sizes) <= 40
    return np.concatenate([piece.read() for piece in source.pieces])


def test_one_npy_file(tmp_path, rows):
    np.save(tmp_path / "rows.npy", rows)
    source = Source.open(tmp_path / "rows.npy")
    assert (source.n_rows, source.width, len(source.pieces)) == (150, 3, 4)
    assert (gathered(source) == rows).all()


def test_a_folder_counts_rows_shard_after_shard_by_name(tmp_path, rows):
    for name, part in (("b", rows[50:]), ("a", rows[:50]), ("c", rows[:0])):
        np.save(tmp_path / f"{name}.npy", part)
    np.save(tmp_path / "b_labels.npy", np.zeros(100))
    assert (gathered(Source.open(tmp_path)) == rows).all()
    assert (gathered(Source.open(f"{tmp_path}/[ab].npy")) == rows).all()
    assert (gathered(Source.open(f"file://{tmp_path}")) == rows).all()


@pytest.mark.parametrize("rows_per_batch", [16, 4096])
@pytest.mark.parametrize("row_group_size", [7, 30, 150])
def test_parquet_shards_whose_row_groups_are_smaller_and_larger_than_pieces(
    tmp_path, rows, row_group_size, rows_per_batch, monkeypatch
):
    monkeypatch.setattr(parquet_shard, "_ROWS_PER_BATCH", rows_per_batch)
    write_parquet(tmp_path / "1.parquet", rows[:90], row_group_size)
    write_parquet(tmp_path / "2.parquet", rows[90:], row_group_size)
    source = Source.open(tmp_path)
    assert (source.n_rows, source.width) == (150, 3)
    assert (gathered(source) == rows).all()


def test_shards_at_a_url(tmp_path, rows):
    import fsspec

    url = f"memory://{uuid.uuid4().hex}"
    np.save(tmp_path / "1.npy", rows)
    write_parquet(tmp_path / "1.parquet", rows, 50)
    for name in ("1.npy", "1.parquet"):
        with fsspec.open(f"{url}/{name.partition('.')[2]}/{name}", "wb") as file:
            file.write((tmp_path / name).read_bytes())
    for place in ("npy", "npy/*.npy", "npy/1.npy", "parquet"):
        assert (gathered(Source.open(f"{url}/{place}")) == rows).all()
    with pytest.raises(DataError, match="found none"):
        Source.open(f"{url}/nothing")


class HostedFiles(MemoryFileSystem):
    """Files in memory at URLs with a host, as those of SFTP, HDFS or Azure are: names of files lack it."""

    protocol = "hosted"
    store: ClassVar = {}
    pseudo_dirs: ClassVar = [""]

    def __init__(self, host, **options):
        super().__init__(**options)
        assert host == "far"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(infer_storage_options(path)["path"] if "://" in path else path)

    @staticmethod
    def _get_kwargs_from_urls(path):
        return {"host": infer_storage_options(path)["host"]}


@pytest.mark.parametrize("place", ["folder", "folder/", "folder/*.npy", "f*/[ab].npy", "folder/a.npy"])
def test_shards_on_another_host(rows, place):
    fsspec.register_implementation("hosted", HostedFiles, clobber=True)
    fs = HostedFiles(host="far")
    for name, part in (("a", rows[:150]), ("b", rows[:0])):
        content = io.BytesIO()
        np.save(content, part)
        fs.pipe_file(f"/folder/{name}.npy", content.getvalue())
    source = Source.open(f"hosted://far/{place}")
    assert {piece.shard for piece in source.pieces} == {"hosted://far/folder/a.npy"}
    assert (gathered(source) == rows).all()


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32"])
def test_rows_keep_their_dtype(tmp_path, rows, dtype):
    array = (10 * rows).astype(dtype)
    np.save(tmp_path / "rows.npy", array)
    assert gathered(Source.open(tmp_path)).dtype == dtype


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_an_array_is_written_into_the_store_once(tmp_path, rows, kind, monkeypatch):
    store = Store(str(tmp_path) if kind == "folder" else f"memory://{uuid.uuid4().hex}")
    source = from_array(store, rows)
    assert (source.n_rows, source.width) == (150, 3)
    assert (gathered(source) == rows).all()
    monkeypatch.setattr(Store, "write", None)
    assert from_array(store, rows.copy()) == source
    with pytest.raises(TypeError):
        from_array(store, rows + 1)


def test_the_digest_tells_other_inputs_apart(tmp_path, rows):
    np.save(tmp_path / "rows.npy", rows)
    before = Source.open(tmp_path).digest
    assert Source.open(tmp_path / "rows.npy").digest == before
    os.utime(tmp_path / "rows.npy", (0, 0))
    assert Source.open(tmp_path).digest != before
    (tmp_path / "store").mkdir()
    store = Store(str(tmp_path / "store"))
    digests = {from_array(store, array).digest for array in (rows, rows[:-1], -rows, rows.astype(np.float64))}
    assert len(digests) == 4


def test_no_rows_at_all(tmp_path):
    source = from_array(Store(str(tmp_path)), np.empty((0, 3), np.float32))
    assert (source.n_rows, source.width, source.pieces) == (0, 3, ())


def test_what_is_not_there_or_not_readable_is_named(tmp_path, rows):
    with pytest.raises(DataError, match=r"expected .npy or .parquet files of embeddings in .*missing.npy, found none"):
        Source.open(tmp_path / "missing.npy")
    (tmp_path / "notes.txt").write_text("no embeddings")
    with pytest.raises(DataError, match=r"found .*notes.txt"):
        Source.open(tmp_path)
    (tmp_path / "rows.npy").write_bytes(b"not a NumPy file")
    with pytest.raises(DataError, match=r"rows.npy cannot be read as a NumPy file"):
        Source.open(tmp_path)
    (tmp_path / "rows.npy").rename(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"rows.parquet cannot be read as Parquet"):
        Source.open(tmp_path)
    np.save(tmp_path / "rows.npy", rows)
    with pytest.raises(DataError, match=r"side by side; give a pattern such as .*/\*.npy"):
        Source.open(tmp_path)


def test_a_link_that_leads_nowhere_is_not_passed_over(tmp_path, rows):
    np.save(tmp_path / "a.npy", rows)
    (tmp_path / ".#a.npy").symlink_to("of an editor")
    assert Source.open(tmp_path).n_rows == 150
    (tmp_path / "b.npy").symlink_to("elsewhere.npy")
    with pytest.raises(DataError, match=r"b\.npy is no file, nor a link that leads to one"):
        Source.open(tmp_path)


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 2, 2)), np.array([["a", "b"]])])
def test_files_that_hold_no_embeddings_are_named(tmp_path, array):
    np.save(tmp_path / "rows.npy", array)
    with pytest.raises(DataError, match=r"rows.npy: expected numbers of shape \(n, d\)"):
        Source.open(tmp_path)


def test_objects_are_not_unpickled(tmp_path):
    np.save(tmp_path / "rows.npy", np.array([[None]]), allow_pickle=True)
    at_url = f"memory://{uuid.uuid4().hex}/rows.npy"
    with fsspec.open(at_url, "wb") as file:
        file.write((tmp_path / "rows.npy").read_bytes())
    for place in (tmp_path, at_url):
        with pytest.raises(DataError, match=r"rows.npy cannot be read as a NumPy file of numbers") as error:
            Source.open(place)
        assert "run folder" not in str(error.value)


def test_shards_of_several_widths_are_named(tmp_path, rows):
    np.save(tmp_path / "a.npy", rows)
    np.save(tmp_path / "b.npy", rows[:, :2])
    with pytest.raises(DataError, match=r"one width; .*a.npy has 3, .*b.npy has 2"):
        Source.open(tmp_path)


@pytest.mark.parametrize("rows_per_batch", [1, 4096])
def test_rows_of_a_parquet_file_that_are_missing_or_odd_are_named(tmp_path, rows, rows_per_batch, monkeypatch):
    monkeypatch.setattr(parquet_shard, "_ROWS_PER_BATCH", rows_per_batch)
    write_parquet(tmp_path / "a.parquet", rows, 50, column="vector")
    with pytest.raises(DataError, match=r"expected a column `embedding` \(list of floats\), got id, vector"):
        Source.open(tmp_path)
    (tmp_path / "a.parquet").unlink()
    lists = rows.tolist()
    lists[45] = lists[120] = None
    for name, part in (("1", lists[:30]), ("2", lists[30:])):
        pq.write_table(pa.table({"embedding": pa.array(part, pa.list_(pa.float32()))}), tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=r"2.parquet: the embedding is missing in rows 45;"):
        gathered(Source.open(tmp_path))
    pq.write_table(pa.table({"embedding": [[1.0, 2.0], [3.0]]}), tmp_path / "1.parquet")
    with pytest.raises(DataError, match=r"1.parquet: embeddings must have one width, got 1, 2"):
        gathered(Source.open(tmp_path / "1.parquet"))


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def over_http(tmp_path):
    """The address of a server of the test's folder, which tells when files changed but has no versions of them."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=tmp_path))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("place", ["rows.parquet", "", "*.parquet"])
def test_shards_behind_http_are_read_and_told_from_changed_ones(tmp_path, rows, over_http, place):
    write_parquet(tmp_path / "rows.parquet", rows, 60)
    source = Source.open(f"{over_http}/{place}")
    np.testing.assert_array_equal(gathered(source), rows)
    assert Source.open(f"{over_http}/{place}").digest == source.digest
    os.utime(tmp_path / "rows.parquet", (0, 0))
    assert Source.open(f"{over_http}/{place}").digest != source.digest


def test_a_damaged_input_is_told_without_the_advice_to_delete_it(tmp_path, rows):
    np.save(tmp_path / "rows.npy", rows)
    source = Source.open(tmp_path / "rows.npy")
    (tmp_path / "rows.npy").write_bytes((tmp_path / "rows.npy").read_bytes()[:300])
    with pytest.raises(DataError, match=r"rows\.npy cannot be read: ") as error:
        source.pieces[-1].read()
    assert "delete" not in str(error.value)
