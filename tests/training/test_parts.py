import numpy as np
import pytest

from hilander.data.synthetic_embeddings import draw_embeddings
from hilander.training.labelled_set import LabelledSet
from hilander.training.parts import parts_of


@pytest.fixture(scope="module")
def whole():
    return LabelledSet(*draw_embeddings(1500, 32, seed=0, mean_sizes=(30.0, 31.0)))


@pytest.fixture(scope="module")
def parts(whole):
    return parts_of([whole], 60)


def test_parts_are_small_and_hold_several_classes(parts):
    sizes = [len(part.labels) for part in parts]
    assert len(parts) > 50
    assert min(sizes) >= 6
    assert max(sizes) > 100
    assert all(np.array_equal(np.unique(part.labels), np.arange(part.labels.max() + 1)) for part in parts)
    assert all(part.labels.max() >= 1 for part in parts)


def test_items_keep_their_mates(whole, parts):
    label_of = {row.tobytes(): label for row, label in zip(whole.embeddings, whole.labels, strict=True)}
    for part in parts:
        labels = np.array([label_of[row.tobytes()] for row in part.embeddings])
        assert np.array_equal(labels[:, None] == labels, part.labels[:, None] == part.labels)


def test_some_parts_are_of_classes_near_each_other(whole, parts):
    def nearness(part):
        means = np.stack([part.embeddings[part.labels == label].mean(axis=0) for label in range(part.labels.max() + 1)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return (means @ means.T)[np.triu_indices(len(means), 1)].mean()

    of_parts = [nearness(part) for part in parts]
    assert np.mean(np.array(of_parts) > nearness(whole) + 0.1) > 0.2


def test_the_seed_decides(whole, parts):
    again = parts_of([whole], 60)
    assert all(np.array_equal(a.embeddings, b.embeddings) for a, b in zip(parts, again, strict=True))
    other = parts_of([whole], 60, seed=1)
    assert [len(part.labels) for part in other] != [len(part.labels) for part in parts]


def test_a_set_of_one_small_class_gives_what_there_is_or_nothing():
    embeddings = np.eye(4, dtype=np.float32)
    assert parts_of([LabelledSet(embeddings, np.zeros(4, np.int64))], 5) == []
    ten = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    for part in parts_of([LabelledSet(ten, np.zeros(10, np.int64))], 5):
        assert not part.labels.any()
