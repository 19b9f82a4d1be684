import numpy as np
import pytest

from hilander.embeddings import check_embeddings
from hilander.graph import knn
from hilander.graph.knn import nearest_neighbors


def random_embeddings(n, d=8, seed=0):
    return check_embeddings(np.random.default_rng(seed).normal(size=(n, d)))


def slow_neighbors(embeddings, k):
    similarities = embeddings.astype(np.float64) @ embeddings.T.astype(np.float64)
    np.fill_diagonal(similarities, -np.inf)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(similarities, order, axis=1)


def test_exact_search_agrees_with_all_pairs():
    embeddings = random_embeddings(200)
    neighbors, similarities = nearest_neighbors(embeddings, 7)
    slow, slow_similarities = slow_neighbors(embeddings, 7)
    assert (neighbors == slow).all()
    np.testing.assert_allclose(similarities, slow_similarities, atol=1e-6)
    assert neighbors.dtype == np.int64
    assert similarities.dtype == np.float32


def test_inverted_lists_reach_the_promised_recall():
    embeddings = random_embeddings(5000, d=16)
    exact, _ = nearest_neighbors(embeddings, 10, method="exact")
    found, _ = nearest_neighbors(embeddings, 10, method="ivf")
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(exact, found, strict=True)])
    assert recall >= 0.99


def test_auto_compares_all_pairs_where_inverted_lists_do_not_pay(monkeypatch):
    monkeypatch.setattr(knn, "EXACT_UP_TO", 1000)
    embeddings = random_embeddings(3000, d=64)  # without structure, nearly every list must be probed
    exact, _ = nearest_neighbors(embeddings, 5, method="exact")
    assert (nearest_neighbors(embeddings, 5)[0] == exact).all()


@pytest.mark.parametrize("method", ["exact", "ivf"])
def test_identical_rows_are_neighbors_of_each_other_and_never_of_themselves(method):
    embeddings = np.repeat(random_embeddings(1), 300, axis=0)
    neighbors, similarities = nearest_neighbors(embeddings, 5, method=method)
    assert neighbors.shape == (300, 5)
    assert (neighbors != np.arange(300)[:, None]).all()
    assert ((neighbors >= 0) & (neighbors < 300)).all()
    np.testing.assert_allclose(similarities, 1, atol=1e-6)


def test_fewer_rows_than_neighbors_gives_all_other_rows():
    neighbors, similarities = nearest_neighbors(random_embeddings(4), 10)
    assert neighbors.shape == similarities.shape == (4, 3)
    assert all(set(row) == set(range(4)) - {i} for i, row in enumerate(neighbors))


@pytest.mark.parametrize("n", [0, 1])
def test_no_other_rows_gives_empty_lists(n):
    neighbors, similarities = nearest_neighbors(np.ones((n, 3), np.float32), 10)
    assert neighbors.shape == similarities.shape == (n, 0)


def test_unknown_arguments_are_named():
    with pytest.raises(ValueError, match="n_neighbors must be at least 1, got 0"):
        nearest_neighbors(random_embeddings(4), 0)
    with pytest.raises(ValueError, match="hnsw"):
        nearest_neighbors(random_embeddings(4), 2, method="hnsw")
