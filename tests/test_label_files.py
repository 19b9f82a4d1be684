import numpy as np
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


def test_labels_are_matched_by_id():
    shuffled = Labels(np.array(["z", "x", "y"]), np.array(["c", "a", "b"]))
    assert align(Labels(CLUSTERS, IDS), shuffled).tolist() == ["x", "y", "z"]


def test_what_cannot_be_matched_is_said():
    with pytest.raises(ValueError, match="3 labels against 2"):
        align(Labels(CLUSTERS), Labels(CLUSTERS[:2]))
    with pytest.raises(ValueError, match="1 of 3 ids have no label in the other file: c"):
        align(Labels(CLUSTERS, IDS), Labels(CLUSTERS[:2], IDS[:2]))
    with pytest.raises(ValueError, match="occur twice"):
        align(Labels(CLUSTERS, IDS), Labels(CLUSTERS, IDS[[0, 0, 1]]))


def test_bad_files_get_a_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"\.parquet, \.csv, \.npy; got labels\.pkl"):
        read_labels(tmp_path / "labels.pkl")
    with pytest.raises(FileNotFoundError):
        read_labels(tmp_path / "labels.csv")
    (tmp_path / "other.csv").write_text("name,size\na,1\n")
    with pytest.raises(ValueError, match="it has name, size"):
        read_labels(tmp_path / "other.csv")
    np.save(tmp_path / "two.npy", np.zeros((2, 2)))
    with pytest.raises(ValueError, match="one label per item"):
        read_labels(tmp_path / "two.npy")
