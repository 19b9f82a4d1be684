import tracemalloc

import numpy as np
import pytest

from hilander.metrics import one_nn_accuracy
from hilander.whitening import Whitening


@pytest.fixture(scope="module")
def slanted() -> tuple[np.ndarray, np.ndarray]:
    """60 classes of 10; all of them vary strongly along one direction that tells none apart."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(60), 10)
    embeddings = rng.normal(size=(60, 16))[labels] + 0.5 * rng.normal(size=(600, 16))
    embeddings += rng.normal(size=(600, 1)) * rng.normal(size=16)
    return embeddings, labels


def test_classes_vary_alike_in_every_direction_afterwards(slanted):
    embeddings, labels = slanted
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    whitening = Whitening.fit(embeddings, labels, shrinkage=1e-6)
    z = (unit - whitening.mean) @ whitening.transform
    within = z - np.stack([z[labels == label].mean(axis=0) for label in range(60)])[labels]
    assert np.allclose(within.T @ within / len(z), np.eye(16), atol=1e-2)


def test_unseen_classes_are_told_apart_better(slanted):
    embeddings, labels = slanted
    seen = labels < 30
    whitening = Whitening.fit(embeddings[seen], labels[seen], shrinkage=0.1)
    new = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))[~seen].astype(np.float32)
    before, after = (1 - one_nn_accuracy(x, labels[~seen]) for x in (new, whitening(new)))
    assert 0 < after < before / 2


def test_full_shrinkage_only_centres(slanted):
    unit = (slanted[0] / np.linalg.norm(slanted[0], axis=1, keepdims=True)).astype(np.float32)
    centred = unit - unit.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    whitened = Whitening.fit(unit, slanted[1], shrinkage=1.0)(unit)
    assert np.allclose(whitened @ whitened.T, centred @ centred.T, atol=1e-4)


def test_neither_order_nor_names_of_classes_matter(slanted):
    embeddings, labels = slanted
    order = np.random.default_rng(1).permutation(len(labels))
    one = Whitening.fit(embeddings, labels, 0.3)
    other = Whitening.fit(embeddings[order], np.array([f"class {label}" for label in labels])[order], 0.3)
    x = embeddings[:50].astype(np.float32)
    assert np.allclose(one(x) @ one(x).T, other(x) @ other(x).T, atol=1e-4)


@pytest.mark.parametrize("shrinkage", [0.0, -0.1, 1.5])
def test_a_shrinkage_out_of_range_is_refused(slanted, shrinkage):
    with pytest.raises(ValueError, match=r"encoder\.whitening"):
        Whitening.fit(*slanted, shrinkage)


def test_classes_of_one_embedding_each_teach_nothing(slanted):
    with pytest.raises(ValueError, match="two different embeddings"):
        Whitening.fit(slanted[0], np.arange(600), 0.3)


def test_pairs_teach_what_labels_teach(slanted):
    unit = (slanted[0] / np.linalg.norm(slanted[0], axis=1, keepdims=True)).astype(np.float32)
    first, second = np.nonzero(np.triu(slanted[1][:, None] == slanted[1], k=1))
    by_pairs = Whitening.fit_pairs(unit, np.stack([first, second], axis=1), np.full(len(first), 0.7), 0.3)
    assert np.allclose(by_pairs(unit), Whitening.fit(*slanted, 0.3)(unit), atol=1e-4)


def test_pairs_count_by_their_weights(slanted):
    unit = (slanted[0] / np.linalg.norm(slanted[0], axis=1, keepdims=True)).astype(np.float32)
    pairs = np.array([[0, 1], [2, 3], [2, 3], [2, 3]])
    repeated = Whitening.fit_pairs(unit, pairs, np.ones(4), 0.3)
    weighted = Whitening.fit_pairs(unit, pairs[:2], np.array([1.0, 3.0]), 0.3)
    assert np.allclose(repeated(unit), weighted(unit), atol=1e-5)


def test_many_pairs_of_wide_rows_are_held_once():
    """Five times over, rows of 2,000 columns took gigabytes, and most of the time went into making room for them."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 64)).astype(np.float32)
    pairs = rng.integers(len(rows), size=(4 * 2**15, 2))
    at_once = 2**15 * rows.shape[1] * np.dtype(np.float64).itemsize
    tracemalloc.start()
    try:
        Whitening.fit_pairs(rows, pairs, np.ones(len(pairs), np.float32), 0.1)
        assert tracemalloc.get_traced_memory()[1] < 2 * at_once
    finally:
        tracemalloc.stop()


def test_a_row_comes_out_the_same_whichever_rows_it_comes_with(slanted):
    unit = (slanted[0] / np.linalg.norm(slanted[0], axis=1, keepdims=True)).astype(np.float32)
    whitening = Whitening.fit(*slanted, 0.3)
    assert np.array_equal(whitening(np.tile(unit, (20, 1)))[-len(unit) :], whitening(unit))
    assert np.array_equal(whitening(unit[7:8])[0], whitening(unit)[7])


def test_chunks_of_any_size_teach_and_map_the_same(slanted, monkeypatch):
    unit = (slanted[0] / np.linalg.norm(slanted[0], axis=1, keepdims=True)).astype(np.float32)
    rng = np.random.default_rng(2)
    pairs, weights = rng.permutation(600).reshape(300, 2), rng.uniform(0.1, 1, 300)
    whole = Whitening.fit_pairs(unit, pairs, weights, 0.3)
    mapped = whole(unit)
    monkeypatch.setattr("hilander.whitening._PAIRS_PER_CHUNK", 70)
    monkeypatch.setattr("hilander.whitening._ROWS_PER_CHUNK", 70)
    np.testing.assert_array_equal(whole(unit), mapped)
    np.testing.assert_allclose(Whitening.fit_pairs(unit, pairs, weights, 0.3).transform, whole.transform, rtol=1e-5)
