import numpy as np
import pytest

from hilander.graph.incidence import incidence
from hilander.graph.pairs import sorted_pairs


@pytest.mark.parametrize("n", [12, 300])  # of the smaller one some nodes have no edge
def test_every_edge_is_listed_at_both_ends(n):
    ends = np.random.default_rng(0).integers(n, size=(2, 9 if n == 12 else 900))
    edges = sorted_pairs(*ends, n)
    found = incidence(edges, n)
    for node in range(n):
        expected = [row for row, pair in enumerate(edges.tolist()) if node in pair]
        assert found.rows[found.starts[node] : found.starts[node + 1]].tolist() == expected
    nodes = np.array([7, 3, 11])
    assert found.at(nodes).tolist() == np.flatnonzero(np.isin(edges, nodes).any(axis=1)).tolist()
    assert found.at(nodes[:0]).tolist() == []


def test_a_graph_without_edges_has_none_at_any_node():
    found = incidence(np.empty((0, 2), np.int64), 3)
    assert found.starts.tolist() == [0, 0, 0, 0]
    assert found.at(np.arange(3)).tolist() == []
