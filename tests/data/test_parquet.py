import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilander.data import DataError
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
