import numpy as np
import pytest

from hilander.graph import exact_search
from hilander.graph.exact_search import compare_others, compare_with_all
from hilander.graph.quantization import quantize


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


@pytest.mark.parametrize("width", [6, 64], ids=["without codes", "with codes"])  # where the processor multiplies bytes
def test_others_get_the_nearest_rows_whichever_are_asked_beside_them(width, monkeypatch):
    rng = np.random.default_rng(0)
    rows, queries = (rng.normal(size=(n, width)).astype(np.float32) for n in (130, 45))
    rows[7], queries[3] = rows[90], rows[5]
    for each in (rows, queries):
        each /= np.linalg.norm(each, axis=1, keepdims=True)
    products = queries.astype(np.float64) @ rows.T
    expected = np.argsort(-products, axis=1, kind="stable")[:, :9]
    neighbors, similarities = compare_others(queries, quantize(rows), 9)
    np.testing.assert_array_equal(neighbors, expected)
    np.testing.assert_allclose(similarities, np.take_along_axis(products, expected, axis=1), atol=1e-6)
    assert neighbors[3, 0] == 5  # none of them is the query itself

    monkeypatch.setattr(exact_search, "ROWS_PER_BLOCK", 4)
    monkeypatch.setattr(exact_search, "CANDIDATES_PER_BLOCK", 11)
    for some in ([3], [20, 3, 44, 0, 1, 2]):
        fewer = compare_others(queries[some], quantize(rows), 9)
        np.testing.assert_array_equal(fewer[0], neighbors[some])
        np.testing.assert_array_equal(fewer[1], similarities[some])


def test_all_rows_may_be_asked_for_and_nobody_may_ask():
    rows = np.eye(5, dtype=np.float32)
    assert sorted(compare_others(rows[:1], quantize(rows), 5)[0][0].tolist()) == [0, 1, 2, 3, 4]
    neighbors, similarities = compare_others(rows[:0], quantize(rows), 3)
    assert neighbors.shape == similarities.shape == (0, 3)
