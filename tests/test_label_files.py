import os

import numpy as np
import pandas as pd
import pytest

from hilander.label_files import Labels, align, read_labels, write_clusters

IDS = np.array(["a", "b", "c"])
CLUSTERS = np.array([1, 0, 1])


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".npy"])
def test_clusters_come_back_as_written(tmp_path, suffix):
    path = write_clusters(tmp_path / f"clusters{suffix}", IDS, CLUSTERS, np.array([0.5, 1, 0.25], np.float32))
    found = read_labels(path)
    assert found.labels.tolist() == CLUSTERS.tolist()
    assert (found.ids is None) == (suffix == ".npy")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_ids_and_classes_come_back_to_the_letter(tmp_path, suffix):
    ids = np.array(["007", "7", "NA", "1e3", "nan", "None"])
    path = write_clusters(tmp_path / f"clusters{suffix}", ids, np.arange(6), np.ones(6, np.float32))
    assert read_labels(path).ids.tolist() == ids.tolist()
    (tmp_path / "classes.csv").write_text("id,label\n001,NA\n002,07\n003,7\n004,\n")
    assert read_labels(tmp_path / "classes.csv").labels.tolist() == ["NA", "07", "7", None]


@pytest.mark.parametrize("name", ["a\rb", "\r", 'a\r\n"b"', "a\nb", "a,b", '"', " a "])
def test_names_that_break_lines_come_back(tmp_path, name):
    path = write_clusters(tmp_path / "clusters.csv", np.array([name, "z"]), np.arange(2), np.ones(2, np.float32))
    found = read_labels(path)
    assert found.ids.tolist() == [name, "z"]
    assert found.labels.tolist() == [0, 1]


def test_fields_are_never_taken_for_their_neighbours(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\na,x,\nb,y,\n")  # a comma at the end of each line, as some programs write
    assert read_labels(path).ids.tolist() == ["a", "b"]
    assert read_labels(path).labels.tolist() == ["x", "y"]
    path.write_text("id,label\na,x,0.5\nb,y,0.25\n")
    with pytest.raises(ValueError, match="more fields than the first line names"):
        read_labels(path)
    for content in (b"id,label\na\0b,x\nb,y\n", "id,label\na,x\n".encode("utf-16-le")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"labels\.csv cannot be read .* it holds NUL, as UTF-16 does"):
            read_labels(path)


@pytest.mark.parametrize(("sign", "word"), [(";", "semicolon"), ("\t", "tab")])
def test_a_spreadsheets_semicolons_and_tabs_part_fields_too(tmp_path, sign, word):
    path = tmp_path / "labels.csv"
    path.write_text(f"id{sign}label\r\na,1{sign}x;\tb\r\n".replace("x;\tb", '"x;\tb"'))
    found = read_labels(path)
    assert (found.ids.tolist(), found.labels.tolist()) == (["a,1"], ["x;\tb"])
    path.write_text(f"id{sign}label\na{sign}x{sign}y\n")
    with pytest.raises(ValueError, match=f"quote what holds a {word}"):
        read_labels(path)


def test_a_comma_in_the_first_line_parts_all_fields(tmp_path):
    (tmp_path / "labels.csv").write_text("id,label\na;1,x;\ty\n")
    found = read_labels(tmp_path / "labels.csv")
    assert (found.ids.tolist(), found.labels.tolist()) == (["a;1"], ["x;\ty"])


@pytest.mark.parametrize("folder", ["~", "s3:x", os.fsdecode(b"\xff"), "a b\n#%?"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".npy"])
def test_a_path_is_taken_as_it_stands(tmp_path, monkeypatch, folder, suffix):
    monkeypatch.chdir(tmp_path)
    path = write_clusters(f"{folder}/clusters{suffix}", IDS, CLUSTERS, np.ones(3, np.float32))
    assert [file.name for file in (tmp_path / folder).iterdir()] == [f"clusters{suffix}"]
    assert read_labels(path).labels.tolist() == CLUSTERS.tolist()


def test_numbers_of_a_text_file_are_integers(tmp_path):
    (tmp_path / "clusters.csv").write_text("cluster\n-1\n0\n12\n")
    found = read_labels(tmp_path / "clusters.csv").labels
    assert found.dtype == np.int64
    assert found.tolist() == [-1, 0, 12]


def test_integers_that_a_table_has_made_floats_of_are_integers(tmp_path):
    (tmp_path / "clusters.csv").write_text("cluster\n-1.0\n0.0\n12.0\n")
    assert read_labels(tmp_path / "clusters.csv").labels.tolist() == [-1, 0, 12]
    (tmp_path / "clusters.csv").write_text("cluster\n-1.0\n0\n12.5\n")
    assert read_labels(tmp_path / "clusters.csv").labels.tolist() == ["-1.0", "0", "12.5"]
    (tmp_path / "classes.csv").write_text("label\nv1.0\nv2.0\n")
    assert read_labels(tmp_path / "classes.csv").labels.tolist() == ["v1.0", "v2.0"]


def test_numbers_that_are_written_in_several_ways_stay_apart(tmp_path):
    (tmp_path / "classes.csv").write_text("label\n07\n7\n+7\n")
    assert read_labels(tmp_path / "classes.csv").labels.tolist() == ["07", "7", "+7"]


def test_ids_that_are_numbers_are_matched_with_their_names(tmp_path):
    pd.DataFrame({"id": [30, 10, 20], "label": ["c", "a", "b"]}).to_parquet(tmp_path / "labels.parquet")
    found = read_labels(tmp_path / "labels.parquet")
    assert align(Labels(CLUSTERS, np.array(["10", "20", "30"])), found).tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("index", [["id"], ["id", "label"]])
def test_ids_that_pandas_has_kept_as_an_index_are_read(tmp_path, index):
    table = pd.DataFrame({"id": ["z", "x", "y"], "label": ["c", "a", "b"], "size": 1})
    table.set_index(index).to_parquet(tmp_path / "labels.parquet")
    found = read_labels(tmp_path / "labels.parquet")
    assert (found.ids.tolist(), found.labels.tolist()) == (["z", "x", "y"], ["c", "a", "b"])


def test_labels_are_matched_by_id():
    shuffled = Labels(np.array(["z", "x", "y"]), np.array(["c", "a", "b"]))
    assert align(Labels(CLUSTERS, IDS), shuffled).tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("names", [["b", "c", "a"], [1, 2, 0]])
def test_rows_whose_ids_have_another_name_are_not_taken_as_they_stand(tmp_path, suffix, names):
    ours = Labels(CLUSTERS, np.sort(np.array(names).astype(str)))
    table = pd.DataFrame({"File": names, "label": ["x", "y", "z"], "weight": [0.5, 1, 2]})

    def read(table, index=False):
        path = tmp_path / f"labels{suffix}"
        table.to_csv(path, index=index) if suffix == ".csv" else table.to_parquet(path, index=index)
        return read_labels(path)

    for first, second in [(ours, read(table)), (read(table), ours)]:
        with pytest.raises(ValueError, match="has no column id, 'File' holds these ids in another order; call that"):
            align(first, second)
    more = pd.concat([table, pd.DataFrame({"File": ["d" if names[0] == "b" else 3], "label": ["w"], "weight": [1.0]})])
    with pytest.raises(ValueError, match="'File' holds these ids"):
        align(ours, read(more))
    nameless = table.set_index("File").rename_axis(None)
    with pytest.raises(ValueError, match=r"'(Unnamed: 0|the index)' holds these ids"):
        align(ours, read(nameless, index=True))
    assert align(ours, read(table.sort_values("File"))).tolist() == ["z", "x", "y"]
    assert align(ours, read(table.assign(File="b"))).tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_of_a_table_with_both_clusters_or_classes_are_read_as_asked(tmp_path, suffix):
    path = tmp_path / f"both{suffix}"
    table = pd.DataFrame({"id": IDS, "cluster": CLUSTERS, "label": ["x", "y", "z"]})
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    assert read_labels(path).labels.tolist() == CLUSTERS.tolist()
    assert read_labels(path, classes=True).labels.tolist() == ["x", "y", "z"]
    write_clusters(path, IDS, CLUSTERS, np.ones(3, np.float32))
    assert read_labels(path, classes=True).labels.tolist() == CLUSTERS.tolist()


def test_what_cannot_be_matched_is_said():
    with pytest.raises(ValueError, match="3 labels against 2"):
        align(Labels(CLUSTERS), Labels(CLUSTERS[:2]))
    with pytest.raises(ValueError, match="1 of 3 ids have no label in the other file: c"):
        align(Labels(CLUSTERS, IDS), Labels(CLUSTERS[:2], IDS[:2]))
    for ours, theirs in ((IDS, IDS[[0, 0, 1]]), (IDS[[0, 0, 1]], IDS)):
        with pytest.raises(ValueError, match="occur twice, for instance a; keep one row of each"):
            align(Labels(CLUSTERS, ours), Labels(CLUSTERS, theirs))


def test_bad_files_get_a_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"\.parquet, \.csv, \.npy; got .*labels\.pkl"):
        read_labels(tmp_path / "labels.pkl")
    with pytest.raises(FileNotFoundError):
        read_labels(tmp_path / "labels.csv")
    (tmp_path / "other.csv").write_text("name,size\na,1\n")
    with pytest.raises(ValueError, match="it has name, size"):
        read_labels(tmp_path / "other.csv")
    for content in (b"", b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', " + b"(" * 101):
        (tmp_path / "broken.npy").write_bytes(content)
        with pytest.raises(ValueError, match=r"broken\.npy (must be a NumPy file|cannot be read)"):
            read_labels(tmp_path / "broken.npy")
    np.save(tmp_path / "two.npy", np.zeros((2, 2)))
    with pytest.raises(ValueError, match="one label per item"):
        read_labels(tmp_path / "two.npy")
