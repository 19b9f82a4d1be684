import numpy as np

from hilander.graph import exact_search
from hilander.graph.exact_search import compare_with_all


def test_blocks_of_any_size_give_the_nearest_others(monkeypatch):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(130, 6)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    rows = rng.choice(130, 45, replace=False)
    products = embeddings[rows].astype(np.float64) @ embeddings.T
    products[np.arange(45), rows] = -np.inf
    expected = np.argsort(-products, axis=1)[:, :9]
    monkeypatch.setattr(exact_search, "ROWS_PER_BLOCK", 7)
    monkeypatch.setattr(exact_search, "CANDIDATES_PER_BLOCK", 11)
    neighbors, similarities = compare_with_all(embeddings, 9, rows)
    np.testing.assert_array_equal(neighbors, expected)
    np.testing.assert_allclose(similarities, np.take_along_axis(products, expected, axis=1), atol=1e-6)


def test_among_equal_rows_the_lower_one_comes_first():
    neighbors, _ = compare_with_all(np.ones((6, 1), np.float32), 3, np.array([0, 2]))
    assert neighbors.tolist() == [[1, 2, 3], [0, 1, 3]]
