from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilander.graph import triangles as module
from hilander.graph.triangles import sum_over_triangles, triangles

N_NODES = 9
pairs = st.lists(st.sampled_from(list(combinations(range(N_NODES), 2))), unique=True).map(sorted)


@given(pairs)
def test_finds_each_triangle_of_a_random_graph_once(chosen):
    edges = np.array(chosen, np.int64).reshape(-1, 2)
    row = {pair: e for e, pair in enumerate(chosen)}
    expected = {
        (row[i, j], row[i, m], row[j, m])
        for i, j, m in combinations(range(N_NODES), 3)
        if {(i, j), (i, m), (j, m)} <= row.keys()
    }
    found = triangles(edges, N_NODES)
    assert found.shape == (len(expected), 3)
    assert found.dtype == np.int32
    assert set(map(tuple, found.tolist())) == expected


def test_complete_graph_has_n_choose_3():
    edges = np.array(list(combinations(range(12), 2)), np.int64)
    assert len(triangles(edges, 12)) == 12 * 11 * 10 // 6


@given(pairs, st.sampled_from([3, 5]))
def test_sums_over_triangles_equal_those_over_their_list(chosen, n_channels):
    edges = np.array(chosen, np.int64).reshape(-1, 2)
    values = np.random.default_rng(len(edges)).random((len(edges), n_channels), np.float32)
    expected = np.zeros_like(values)
    for a, b, c in triangles(edges, N_NODES):
        for side, first, second in ((a, b, c), (b, a, c), (c, a, b)):
            expected[side] += values[first] * values[second]
    np.testing.assert_allclose(sum_over_triangles(values, edges, N_NODES), expected, rtol=1e-5)


@pytest.mark.parametrize("n_channels", [2, 5])
def test_the_ranges_that_threads_work_on_change_no_bit(monkeypatch, n_channels):
    rng = np.random.default_rng(0)
    nodes = np.sort(rng.choice(120 * 119 // 2, 2500, replace=False))
    edges = np.stack(np.triu_indices(120, 1), axis=1)[nodes]
    values = rng.random((len(edges), n_channels), np.float32)
    whole = sum_over_triangles(values, edges, 130)  # the last nodes have no edges
    for edges_per_range in (1, 50, 700, 2500):
        monkeypatch.setattr(module, "_EDGES_PER_RANGE", edges_per_range)
        np.testing.assert_array_equal(sum_over_triangles(values, edges, 130), whole)


def test_numbers_of_more_edges_than_32_bits_hold_change_nothing(monkeypatch):
    edges = np.array(list(combinations(range(12), 2)), np.int64)
    values = np.random.default_rng(0).random((len(edges), 5), np.float32)
    few = sum_over_triangles(values, edges, 12)
    monkeypatch.setattr(module, "_MOST_IN_32_BITS", len(edges) - 1)
    np.testing.assert_array_equal(sum_over_triangles(values, edges, 12), few)
    with pytest.raises(ValueError, match="can be listed, got 66"):
        triangles(edges, 12)


def test_nodes_of_thousands_of_edges():
    others = np.arange(2, 3_000)
    edges = np.concatenate([[[0, 1]], *(np.stack([np.full(2_998, i), others], axis=1) for i in (0, 1))])
    values = np.random.default_rng(0).random((len(edges), 2), np.float32)
    first, second = values[1:2_999], values[2_999:]
    expected = np.concatenate([[(first * second).sum(axis=0)], values[0] * second, values[0] * first])
    np.testing.assert_allclose(sum_over_triangles(values, edges, 3_000), expected, rtol=1e-4)
    assert len(triangles(edges, 3_000)) == 2_998
