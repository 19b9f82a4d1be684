import numpy as np

from hilander.graph import pairs as module
from hilander.graph.pairs import sorted_pairs, undirected_edges


def test_edges_are_the_union_of_both_directions():
    neighbors = np.array([[1, 2], [0, 3], [3, 0], [2, 1]])
    assert undirected_edges(neighbors, n_candidates=1).tolist() == [[0, 1], [2, 3]]
    assert undirected_edges(neighbors).tolist() == [[0, 1], [0, 2], [1, 3], [2, 3]]


def test_edges_of_several_lists_are_their_union():
    rng = np.random.default_rng(0)
    first, second = rng.integers(50, size=(2, 50, 6))  # a node may stand in its own list, and twice in another's
    edges = undirected_edges(first, second, n_candidates=5)
    expected = {
        (min(i, j), max(i, j)) for lists in (first, second) for i in range(50) for j in lists[i, :5].tolist() if i != j
    }
    assert list(map(tuple, edges.tolist())) == sorted(expected)


def test_lists_without_columns_make_no_edges():
    assert undirected_edges(np.empty((3, 0), np.int64)).shape == (0, 2)


def test_pairs_are_sorted_once_each_and_without_loops():
    pairs = sorted_pairs(np.array([3, 1, 2, 2, 0]), np.array([1, 3, 2, 0, 2]), 4)
    assert pairs.tolist() == [[0, 2], [1, 3]]


def test_blocks_of_any_size_make_the_same_edges(monkeypatch):
    neighbors = np.random.default_rng(0).integers(50, size=(50, 6))
    whole = undirected_edges(neighbors)
    monkeypatch.setattr(module, "_ROWS_PER_BLOCK", 7)
    np.testing.assert_array_equal(undirected_edges(neighbors), whole)
