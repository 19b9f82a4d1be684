import numpy as np
import pytest

from hilander.data import DataError
from hilander.data.learn_to_cluster import read_learn_to_cluster

FEATURES = np.arange(12, dtype=np.float32).reshape(3, 4)


def saved(folder, labels: bytes):
    FEATURES.tofile(folder / "a.bin")
    (folder / "a.meta").write_bytes(labels)
    return folder / "a.bin"


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_a_label_may_hold_blanks(tmp_path, end):
    # Split at every blank, two words per label made twice the rows of half the width, without a word.
    dataset = read_learn_to_cluster(saved(tmp_path, f"Ann Lee\n\u00c5sa Berg\nAnn Lee{end}".encode()))
    assert dataset.labels.tolist() == ["Ann Lee", "\u00c5sa Berg", "Ann Lee"]
    np.testing.assert_array_equal(dataset.embeddings, FEATURES)


def test_labels_of_another_encoding_are_told_with_the_file(tmp_path):
    with pytest.raises(DataError, match=r"a\.meta: expected labels in UTF-8"):
        read_learn_to_cluster(saved(tmp_path, "\u00c5sa\nBo\nBo\n".encode("latin-1")))


def test_an_empty_line_is_told_by_its_number(tmp_path):
    with pytest.raises(DataError, match=r"a\.meta: expected one label per line, got none in line 2;"):
        read_learn_to_cluster(saved(tmp_path, b"Ann\n\nBo\n"))
