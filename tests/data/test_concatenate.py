import numpy as np
import pytest

from hilander.data import DataError, Dataset
from hilander.data.concatenate import concatenate


def part(*labels):
    return Dataset(np.arange(len(labels)), list(labels), embeddings=np.eye(len(labels), 3))


def test_numbers_below_zero_are_counted_per_part_as_well():
    # A single -1 made one class of class 0 of train and class 0 of test.
    whole = concatenate({"train": part(0, -1), "test": part(0, None)})
    assert whole.labels.tolist() == ["train/0", "train/-1", "test/0", ""]


def test_names_are_taken_as_they_are():
    assert concatenate({"train": part("a-1", "-"), "test": part("0")}).classes.tolist() == ["-", "0", "a-1"]


def test_parts_with_and_without_labels_are_told_apart():
    bare = Dataset(["0"], embeddings=np.ones((1, 3)))
    with pytest.raises(DataError, match="none came with test"):
        concatenate({"train": part("a"), "test": bare})
