import pickle
import uuid
from contextlib import contextmanager, suppress
from itertools import pairwise

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from hilander.distributed.parts import Parts
from hilander.distributed.store import Store


@pytest.fixture(params=["folder", "file://", "memory://"])
def store(request, tmp_path):
    places = {"folder": tmp_path, "file://": f"file://{tmp_path}"}
    return Store(str(places.get(request.param, f"memory://{uuid.uuid4().hex}")))


@pytest.mark.parametrize("shape", [(7,), (7, 3), (0, 3), (7, 0)])
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8"])
def test_what_is_read_is_what_was_written(store, shape, dtype):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    store.write("folder/array", array)
    assert store.shape("folder/array") == shape
    for rows in (slice(None), slice(2, 5), slice(5, 5), slice(5, 100), slice(0, 0)):
        read = store.read("folder/array", rows.start or 0, rows.stop)
        assert read.dtype == dtype
        assert read.shape == array[rows].shape
        assert (read == array[rows]).all()


def test_an_array_that_lies_column_after_column_is_read_row_by_row(store):
    array = np.asfortranarray(np.arange(12).reshape(4, 3))
    store.write("array", array)
    assert (store.read("array", 1, 3) == array[1:3]).all()


def test_names_and_removal_are_of_one_folder(store):
    for name in ("one/a", "one/b", "two/a"):
        store.write(name, np.zeros(1))
    assert store.names("one") == {"one/a", "one/b"}
    assert store.names("three") == set()
    store.remove("one")
    store.remove("three")
    assert store.names("one") == set()
    assert store.names("two") == {"two/a"}
    with pytest.raises(FileNotFoundError, match=r"one/a\.npy is missing.* delete all of the folder, and start anew"):
        store.read("one/a")


def test_a_store_travels_to_other_processes(store):
    store.write("array", np.arange(3))
    assert pickle.loads(pickle.dumps(store)).read("array").tolist() == [0, 1, 2]


def test_what_is_kept_is_computed_once(store):
    calls = []

    def compute():
        calls.append(1)
        return np.arange(4)

    for _ in range(2):
        assert store.kept("folder/array", compute).tolist() == [0, 1, 2, 3]
    assert len(calls) == 1


def test_a_write_that_fails_leaves_the_former_array_and_nothing_else(tmp_path, monkeypatch):
    store = Store(str(tmp_path))
    store.write("folder/array", np.arange(3))
    save = np.save

    def full(file, array):
        save(file, array)
        assert store.names("folder") == {"folder/array"}  # the half of it that is there has no name yet
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="no space"):
        store.write("folder/array", np.arange(5))
    assert store.read("folder/array").tolist() == [0, 1, 2]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["array.npy"]


@pytest.mark.parametrize("bounds", [[0, 10], [0, 3, 7, 10], [0, 3, 3, 10, 10]])
def test_rows_of_parts_are_rows_of_the_whole(store, bounds):
    whole = np.arange(30, dtype=np.float32).reshape(10, 3)
    parts = Parts(store, "parts", np.array(bounds))
    for part, (start, stop) in enumerate(pairwise(bounds)):
        parts.write(part, whole[start:stop])
    assert (parts.all() == whole).all()
    for start in range(11):
        for stop in range(11):
            assert (parts.rows(start, stop) == whole[start:stop]).all()
            assert parts.rows(start, stop).shape == whole[start:stop].shape
    for rows in (np.array([], np.int64), np.array([9, 0, 4, 4]), np.arange(10)[::-1]):
        assert (parts.take(rows) == whole[rows]).all()
        assert parts.take(rows).shape == (len(rows), 3)


def test_even_parts_cover_all_rows(store):
    assert Parts.even(store, "name", 10, 4).bounds.tolist() == [0, 3, 6, 10]
    assert Parts.even(store, "name", 8, 4).bounds.tolist() == [0, 4, 8]
    assert Parts.even(store, "name", 0, 4).bounds.tolist() == [0, 0]


def test_a_damaged_array_is_named(tmp_path):
    store = Store(str(tmp_path))
    store.write("folder/array", np.arange(100))
    path = tmp_path / "folder" / "array.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"folder/array\.npy is damaged .*; delete the run folder"):
        store.read("folder/array")
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"folder/array\.npy is damaged"):
        store.read("folder/array")


@pytest.fixture
def breaking(monkeypatch):
    """Let a way of the file system in memory fail, as where a network does."""

    def breaks(*arguments, **options):
        raise ConnectionResetError("reset by peer")

    @contextmanager
    def let(way):
        with monkeypatch.context() as patch:
            patch.setattr(MemoryFileSystem, way, breaks)
            yield

    return let


@pytest.mark.parametrize(
    ("way", "act"),
    [
        ("_open", lambda store: store.read("folder/array")),
        ("_open", lambda store: store.shape("folder/array")),
        ("pipe_file", lambda store: store.write("folder/array", np.arange(5))),
        ("rm", lambda store: store.remove("folder")),
        ("ls", lambda store: store.names("folder")),
        ("ls", lambda store: store.kept("folder/array", lambda: np.arange(5))),
    ],
)
def test_a_connection_that_breaks_is_no_damage(way, act, breaking):
    store = Store(f"memory://{uuid.uuid4().hex}")
    store.write("folder/array", np.arange(3))
    with breaking(way), pytest.raises(OSError, match=r"folder.* \(reset by peer\); .* the same call carries on"):
        act(store)
    assert store.read("folder/array").tolist() == [0, 1, 2]


def test_what_cannot_be_asked_for_now_does_not_seem_to_be_missing(breaking):
    store = Store(f"memory://{uuid.uuid4().hex}")
    store.write("folder/array", np.arange(3))
    with breaking("info"), suppress(OSError):
        assert store.kept("folder/array", lambda: np.arange(5)).tolist() == [0, 1, 2]
    assert store.read("folder/array").tolist() == [0, 1, 2]
    with breaking("info"), suppress(OSError):
        store.remove("folder")
        assert store.names("folder") == set()


def test_a_folder_that_is_gone_is_not_made_anew(tmp_path):
    store = Store(str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    store.write("folder/array", np.arange(3))
    (tmp_path / "store").rename(tmp_path / "ended")
    with pytest.raises(FileNotFoundError, match=r"store is not there on .*: all workers must see a run folder"):
        store.write("folder/array", np.arange(3))
    assert not (tmp_path / "store").exists()
