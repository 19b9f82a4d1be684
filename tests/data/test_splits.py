import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilander.config import DataParams
from hilander.data import DataError, Dataset, split_classes, train_test, with_splits

class_names = st.text(
    st.characters(exclude_characters="\0", codec="utf-8"), max_size=4
)  # NumPy's text drops NULs at the end
labels = st.lists(class_names, min_size=2, max_size=40).filter(lambda names: len(set(names)) > 1)


@given(labels, st.floats(0.01, 0.99), st.integers(0, 99), st.randoms())
def test_split_is_by_class_and_does_not_depend_on_row_order(names, share, seed, random):
    held_out = split_classes(names, share, seed)
    test, train = (
        {n for n, h in zip(names, held_out, strict=True) if h},
        {n for n, h in zip(names, held_out, strict=True) if not h},
    )
    assert test.isdisjoint(train)
    assert len(test) == min(max(round(share * len(set(names))), 1), len(set(names)) - 1)
    order = random.sample(range(len(names)), len(names))
    assert split_classes([names[i] for i in order], share, seed).tolist() == held_out[order].tolist()


def test_split_depends_on_the_seed_and_is_the_same_on_every_platform():
    names = [f"class {i}" for i in range(20)]
    expected = [6, 7, 8, 10, 14]
    assert np.flatnonzero(split_classes(names, 0.25, seed=0)).tolist() == expected
    assert np.flatnonzero(split_classes(names, 0.25, seed=1)).tolist() != expected


@pytest.mark.parametrize("share", [0, 1, -1, float("nan")])
def test_a_share_that_leaves_no_class_on_one_side_is_refused(share):
    with pytest.raises(DataError, match="between 0 and 1"):
        split_classes(["a", "b"], share)


def test_one_class_cannot_be_split():
    with pytest.raises(DataError, match="at least 2 classes to split, got 1: a"):
        split_classes(["a", "a"], 0.5)


def dataset(labels, splits=None):
    return Dataset(np.arange(len(labels)), labels, splits, embeddings=np.ones((len(labels), 2)))


def test_train_test_uses_the_splits_that_the_data_name():
    train, test = train_test(
        dataset(["a", "b", "c"], ["old", "new", "other"]), DataParams(train_split="old", test_split="new")
    )
    assert (train.labels.tolist(), test.labels.tolist()) == (["a"], ["b"])


def test_items_of_other_splits_are_left_out_and_an_empty_split_is_named():
    data = dataset(["a", "b", None], ["train", "test", "other"])
    assert with_splits(data, DataParams()).splits.tolist() == ["train", "test"]
    for chosen in ({"train_split": "more"}, {"test_split": "more"}):
        with pytest.raises(DataError, match="'more'; the data name: other, test, train"):
            with_splits(data, DataParams(**chosen))


def test_train_test_makes_splits_where_the_data_name_none():
    train, test = train_test(dataset(list("aabbccdd")), DataParams(test_share=0.5))
    assert (len(train), len(test)) == (4, 4)
    assert not set(train.classes) & set(test.classes)


def test_a_class_in_both_splits_is_named():
    with pytest.raises(DataError, match="both hold b"):
        train_test(dataset(["a", "b", "b", "c"], ["train", "train", "test", "test"]), DataParams())


def test_missing_labels_and_splits_are_named():
    with pytest.raises(DataError, match="labels are missing, for instance of 1"):
        train_test(dataset(["a", None, "c"], ["train", "train", "test"]), DataParams())
    with pytest.raises(DataError, match="'test'; the data name: train"):
        train_test(dataset(["a", "b"], ["train", "train"]), DataParams())
    with pytest.raises(DataError, match="neither labels nor splits"):
        train_test(Dataset(["a"], embeddings=np.ones((1, 2))), DataParams())


@pytest.mark.parametrize("splits", [None, ["train", "test"]])
def test_one_name_for_both_splits_is_refused(splits):
    with pytest.raises(DataError, match=r"data\.train_split and data\.test_split .* are both 'train'"):
        train_test(dataset(["a", "b"], splits), DataParams(test_split="train"))
