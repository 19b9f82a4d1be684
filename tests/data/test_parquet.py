import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilander.data import DataError, Dataset, Images, parquet, read_dataset
from hilander.data.parquet import read_parquet


def saved(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_a_folder_of_parts_reads_as_one(tmp_path):
    for part in range(2):
        saved(tmp_path / f"part-{part}.parquet", embedding=[[1.0, 2.0], [3.0, part]], label=[part, 7])
    dataset = read_parquet(tmp_path)
    assert dataset.embeddings.tolist() == [[1, 2], [3, 0], [1, 2], [3, 1]]
    assert dataset.labels.tolist() == ["0", "7", "1", "7"]
    assert dataset.ids.tolist() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("folder", ["~", "s3:x", os.fsdecode(b"\xff")])
def test_a_path_is_taken_as_it_stands(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    parquet.write_parquet(Dataset(["a", "b"], embeddings=np.eye(2)), f"{folder}/a.parquet")
    assert read_parquet(f"{folder}/a.parquet").ids.tolist() == ["a", "b"]


def test_paths_name_images_where_they_are_unique(tmp_path):
    rows = [{"bytes": b"x", "path": "p.png"}, {"bytes": None, "path": "q.png"}]
    dataset = read_parquet(saved(tmp_path / "a.parquet", image=rows, label=["a", None]))
    assert (dataset.ids.tolist(), dataset.labels.tolist()) == (["p.png", "q.png"], ["a", ""])
    assert dataset.images.read_bytes(1) == b""
    assert read_parquet(saved(tmp_path / "b.parquet", image=[*rows, rows[0]])).ids.tolist() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"vector": [[1.0]]}, "expected a column `image`"),
        ({"embedding": [[1.0, 2.0], [3.0], [4.0, 5.0]], "id": ["a", "b", "c"]}, "most have 2, but b has 1"),
        ({"embedding": [[1.0], None], "id": ["a", "b"]}, "missing for b"),
        ({"embedding": [1.0, 2.0]}, "must be a list of floats"),
        ({"image": ["a.png"]}, "must be a struct of bytes and path"),
        ({"embedding": [[1.0]], "label": [["a"]]}, "`label` must hold names or numbers"),
    ],
)
def test_odd_tables_are_refused_with_a_reason(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        read_parquet(saved(tmp_path / "a.parquet", **columns))


def test_a_file_cut_short_is_named(tmp_path):
    path = saved(tmp_path / "a.parquet", embedding=[[1.0]])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as Parquet"):
        read_parquet(path)


def test_the_parts_of_a_folder_may_differ_in_types(tmp_path):
    saved(tmp_path / "_a.parquet", embedding=pa.array([[1, 2]], pa.list_(pa.int64())), label=["x"])
    saved(tmp_path / "b.parquet", embedding=pa.array([[3, 4]], pa.list_(pa.float32(), 2)), label=[5])
    saved(tmp_path / "c.parquet", embedding=pa.array([], pa.list_(pa.float64())), label=pa.array([], pa.string()))
    saved(tmp_path / ".hidden.parquet", vector=[1])
    (tmp_path / "README.md").write_text("no table")
    dataset = read_parquet(tmp_path)
    assert dataset.embeddings.tolist() == [[1, 2], [3, 4]]
    assert dataset.labels.tolist() == ["x", "5"]


@pytest.mark.parametrize("bare", ["a", "b"])
def test_a_column_that_a_part_lacks_is_named_with_the_part(tmp_path, bare):
    # Where the first part had no labels, those of all others were dropped.
    for name in ("a", "b"):
        columns = {} if name == bare else {"label": ["x"], "split": ["train"]}
        saved(tmp_path / f"{name}.parquet", embedding=[[1.0]], **columns)
    with pytest.raises(DataError, match=rf"same columns in every part, got no `label` in {bare}\.parquet"):
        read_parquet(tmp_path)


def test_parts_of_several_widths_are_named(tmp_path):
    saved(tmp_path / "a.parquet", embedding=[[1.0]])
    saved(tmp_path / "b.parquet", embedding=[[1.0, 2.0]])
    with pytest.raises(DataError, match=r"a\.parquet: 1, b\.parquet: 2"):
        read_parquet(tmp_path)


def test_a_folder_below_may_name_a_column(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"split={split}").mkdir()
        saved(tmp_path / f"split={split}" / "part.parquet", embedding=[[1.0]])
    assert read_parquet(tmp_path).splits.tolist() == ["test", "train"]


def test_images_are_written_in_groups_of_bounded_bytes(tmp_path, monkeypatch):
    # Over 2 GB of images in one go are more than an Arrow column of bytes can count.
    monkeypatch.setattr(parquet, "_BYTES_PER_GROUP", 100)
    sizes = [40, 40, 40, 150, 10, 90, 0]
    content, ids = [bytes([i]) * size for i, size in enumerate(sizes)], np.array(list("abcdefg"))
    dataset = Dataset(ids, [*"xxyyzz", None], images=Images(content, ids))
    parquet.write_parquet(dataset, tmp_path / "a.parquet")
    metadata = pq.read_metadata(tmp_path / "a.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [2, 1, 1, 3]
    read = read_parquet(tmp_path / "a.parquet")
    assert [read.images.read_bytes(i) for i in range(7)] == content
    assert (read.ids.tolist(), read.labels.tolist()) == (ids.tolist(), [*"xxyyzz", ""])


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset([], embeddings=np.empty((0, 3))),
        Dataset([], images=Images([], np.array([], dtype=str))),
        Dataset(np.arange(4097), embeddings=np.arange(4097.0)[:, None]),
    ],
    ids=str,
)
def test_no_rows_and_more_than_a_group_come_back(tmp_path, dataset):
    parquet.write_parquet(dataset, tmp_path / "a.parquet")
    read = read_parquet(tmp_path / "a.parquet")
    assert read.ids.tolist() == dataset.ids.tolist()
    if dataset.embeddings is not None:
        np.testing.assert_array_equal(read.embeddings, dataset.embeddings)


def test_large_integers_and_paths_of_numbers_are_read(tmp_path):
    path = saved(tmp_path / "a.parquet", embedding=[[2**24 + 1, 2**40], [1, -1]])
    assert read_parquet(path).embeddings.tolist() == [[2**24, 2**40], [1, -1]]
    path = saved(tmp_path / "b.parquet", image=[{"bytes": b"x", "path": 7}, {"bytes": b"y", "path": 8}])
    assert read_parquet(path).ids.tolist() == ["7", "8"]


def test_doubles_beyond_float32_keep_their_direction_and_nan_stays(tmp_path):
    path = saved(tmp_path / "a.parquet", embedding=[[1e200, 5e199], [float("nan"), 1.0], [None, 1.0]])
    embeddings = read_parquet(path).embeddings
    assert embeddings[0].tolist() == [1, 0.5]
    assert np.isnan(embeddings[1:, 0]).all()


def test_labels_of_doubles_are_whole_numbers_or_missing(tmp_path):
    path = saved(tmp_path / "a.parquet", embedding=[[1.0]] * 3, label=[3.0, float("nan"), None])
    assert read_parquet(path).labels.tolist() == ["3", "", ""]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"embedding": [[[1.0]], [[2.0]]]}, "must be a list of floats per row, got list<"),
        ({"embedding": [["1.0"], ["2.0"]]}, "must be a list of floats per row, got list<"),
        ({"embedding": pa.array([[], []], pa.list_(pa.float32()))}, "at least one number"),
        ({"image": [{"bytes": b"x", "path": [1]}]}, r"`image\.path` must hold names or numbers"),
        ({"embedding": [[1.0]], "label": [b"\xc5sa"]}, "`label` must hold names or numbers, got binary"),
    ],
)
def test_columns_of_an_odd_type_are_refused_with_the_file(tmp_path, columns, message):
    with pytest.raises(DataError, match=rf"a\.parquet: .*({message})"):
        read_parquet(saved(tmp_path / "a.parquet", **columns))


def test_a_name_that_utf8_cannot_hold_is_shown(tmp_path):
    dataset = Dataset(["good", "caf\udce9"], embeddings=np.eye(2))
    with pytest.raises(DataError, match=r"a\.parquet: expected names that UTF-8 can hold, got 'caf\\udce9'"):
        parquet.write_parquet(dataset, tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


def test_bookkeeping_of_others_beside_parts_is_no_data(tmp_path):
    table = pd.DataFrame({"embedding": [[1.0, 2.0]] * 4, "label": ["a", "b", None, "b"]})
    table.to_parquet(tmp_path / "parts", partition_cols=["label"])
    (tmp_path / "parts" / "_delta_log").mkdir()
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "parts" / "_delta_log" / "0.checkpoint.parquet")
    assert sorted(read_parquet(tmp_path / "parts").labels.tolist()) == ["", "a", "b", "b"]


def test_parts_of_several_widths_and_one_name_are_told(tmp_path):
    for split, width in (("train", 2), ("test", 3)):
        (tmp_path / f"split={split}").mkdir()
        pd.DataFrame({"embedding": [[1.0] * width]}).to_parquet(tmp_path / f"split={split}" / "part-0.parquet")
    with pytest.raises(
        DataError, match=r"one width, got split=test/part-0\.parquet: 3, split=train/part-0\.parquet: 2"
    ):
        read_parquet(tmp_path)


def test_a_folder_name_that_repeats_a_column_must_agree_with_it(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"split={split}").mkdir()
        saved(tmp_path / f"split={split}" / "part.parquet", embedding=[[1.0], [2.0]], split=[split, split])
    assert read_dataset(tmp_path).splits.tolist() == ["test", "test", "train", "train"]
    saved(tmp_path / "split=test" / "part.parquet", embedding=[[1.0], [2.0]], split=["test", "train"])
    with pytest.raises(DataError, match=r"folder `split=test` and the column `split` contradict each other"):
        read_parquet(tmp_path)


@pytest.mark.parametrize("name", ["embedding", "label"])
def test_a_column_that_comes_twice_is_told(tmp_path, name):
    columns = {"embedding": pa.array([[1.0], [2.0]]), "label": pa.array(["a", "b"])}
    table = pa.table(columns)
    pq.write_table(table.append_column(name, columns[name]), tmp_path / "twice.parquet")
    with pytest.raises(DataError, match=rf"twice\.parquet: expected each column once, got several `{name}`"):
        read_parquet(tmp_path / "twice.parquet")
