"""Which files are shards: the same ones that are read in memory, and none left out without a word."""

import uuid
import zipfile

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from hilander.data import DataError, read_dataset
from hilander.distributed.source import Source


def put(path, first_row, n_rows=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.arange(first_row, first_row + n_rows)
    if path.suffix == ".npy":
        np.save(path, rows[:, None].astype(np.float32))
    else:
        pq.write_table(pa.table({"embedding": rows[:, None].tolist()}), path)


def first_rows(place):
    return [int(piece.read()[0, 0]) for piece in Source.open(place).pieces]


@pytest.fixture
def tree(tmp_path):
    """Parquet files in folders of partitions, with what Spark and others leave beside them."""
    folder = tmp_path / "rows"
    for number, name in enumerate(["10", "2", "a/0", "a-b/0", "s/day=1/1_labels"]):
        put(folder / f"{name}.parquet", 10 * number)
    for name in (".part-0.parquet", ".hidden/0.parquet", "_temporary/0/0.parquet", "a/_delta_log/0.parquet"):
        put(folder / name, 100)
    for name in ("_SUCCESS", "a/README.md"):
        (folder / name).touch()
    return folder


def at_url(folder):
    url = f"memory://{uuid.uuid4().hex}"
    fs, root = fsspec.core.url_to_fs(url)
    for path in folder.rglob("*"):
        if path.is_file():
            fs.pipe_file(f"{root}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return url


@pytest.mark.parametrize("pattern", ["", "/**/*.parquet", "/**"])
def test_parquet_files_in_folders_are_those_that_are_read_in_memory(tree, pattern):
    in_memory = read_dataset(tree).embeddings[::3, 0].astype(int).tolist()
    assert sorted(in_memory) == [0, 10, 20, 30, 40]
    for place in (str(tree), f"file://{tree}", at_url(tree)):
        assert first_rows(place + pattern) == in_memory


def test_a_pattern_fits_level_by_level(tree):
    for place in (str(tree), at_url(tree)):
        assert first_rows(f"{place}/*.parquet") == [0, 10]
        assert first_rows(f"{place}/*/*.parquet") == [20, 30]
        assert first_rows(f"{place}/a*/**/*.parquet") == [20, 30]
        assert first_rows(f"{place}/a/_*/*.parquet") == [100]
        assert first_rows(f"{place}/s*/**/[0-9]_*.parquet") == [40]


def test_npy_files_of_a_folder_are_those_at_its_top(tmp_path):
    put(tmp_path / "0.npy", 0)
    put(tmp_path / "0_labels.npy", 10)
    put(tmp_path / "below" / "1.npy", 20)
    put(tmp_path / "below" / "1.parquet", 30)
    for place in (str(tmp_path), at_url(tmp_path)):
        assert first_rows(place) == [0]
        assert first_rows(f"{place}/**/*.npy") == [0, 20]


def test_linked_folders_are_looked_into_and_a_link_back_is_not(tmp_path):
    put(tmp_path / "elsewhere" / "1.npy", 10)
    put(tmp_path / "rows" / "a" / "0.npy", 0)
    (tmp_path / "rows" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "rows" / "a" / "back").symlink_to(tmp_path / "rows")
    assert first_rows(f"{tmp_path}/rows/**/*.npy") == [0, 10]


@pytest.fixture
def unreadable(unreadable_below):
    put(unreadable_below / "0.parquet", 0)
    return unreadable_below


@pytest.mark.parametrize("pattern", ["", "/**/*.parquet"])
def test_a_folder_that_cannot_be_read_is_not_passed_over(unreadable, pattern):
    with pytest.raises(DataError, match=r"x cannot be read \(File name too long\), and what lies in it would be"):
        Source.open(f"{unreadable}{pattern}")
    assert first_rows(f"{unreadable}/*.parquet") == [0]


@pytest.mark.parametrize("pattern", ["", "/**/*.parquet", "/*/*.parquet"])
def test_a_folder_at_a_url_that_cannot_be_listed_is_not_passed_over(tree, pattern, monkeypatch):
    url, ls = at_url(tree), MemoryFileSystem.ls

    def unreliable(fs, path, **options):
        if path.endswith("a-b"):
            raise ConnectionResetError("connection reset by peer")
        return ls(fs, path, **options)

    monkeypatch.setattr(MemoryFileSystem, "ls", unreliable)
    with pytest.raises(DataError, match=r"a-b cannot be listed \(connection reset by peer\), and what lies in it"):
        Source.open(f"{url}{pattern}")
    assert first_rows(f"{url}/*.parquet") == [0, 10]


def test_a_suffix_in_capital_letters_is_not_passed_over(tmp_path):
    put(tmp_path / "0.parquet", 0)
    put(tmp_path / "1.parquet", 10)
    (tmp_path / "1.parquet").rename(tmp_path / "1.PARQUET")
    with pytest.raises(DataError, match=r"in small letters, got .*1\.PARQUET; rename"):
        Source.open(tmp_path)


def test_an_archive_is_refused(tmp_path):
    put(tmp_path / "0.npy", 0)
    with zipfile.ZipFile(tmp_path / "rows.zip", "w") as archive:
        archive.write(tmp_path / "0.npy", "0.npy")
    for inside in ("", "0.npy", "*.npy"):
        with pytest.raises(DataError, match=r"rows\.zip lies in an archive, .*; unpack it"):
            Source.open(f"zip://{inside}::file://{tmp_path}/rows.zip")
