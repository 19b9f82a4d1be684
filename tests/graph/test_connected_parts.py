from dataclasses import replace

import numpy as np
import pytest

from hilander.graph.connected_parts import connected_core, cut_out, with_halo
from hilander.graph.knn import nearest_neighbors
from hilander.graph.relational_graph import assemble, first_graph, next_graph


def neighbor_graph(n, seed=0):
    points = np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return first_graph(points, *nearest_neighbors(points, 5))


def test_a_core_is_made_of_connected_fragments():
    graph = neighbor_graph(600)
    core = connected_core(graph, 150, np.random.default_rng(0))
    inside = set(core.tolist())
    reached, waiting = {int(core[0])}, [int(core[0])]
    while waiting:
        node = waiting.pop()
        around = set(graph.edges[(graph.edges == node).any(axis=1)].ravel().tolist()) & inside
        waiting += around - reached
        reached |= around
    assert reached == inside


def test_a_core_of_many_nodes_has_fragments_in_several_places():
    path = np.stack([np.arange(5_999), np.arange(1, 6_000)], axis=1)
    core = np.sort(connected_core(assemble(path, None, np.ones(6_000)), 900, np.random.default_rng(0)))
    fragments = np.split(core, np.flatnonzero(np.diff(core) > 1) + 1)
    assert len(core) == 900
    assert 4 <= len(fragments) <= 12  # some may meet
    assert max(map(len, fragments)) >= 149


def test_a_core_never_exceeds_the_graph():
    assert sorted(connected_core(neighbor_graph(7), 900, np.random.default_rng(0)).tolist()) == list(range(7))


def test_a_part_holds_the_core_with_all_its_edges():
    whole = replace(neighbor_graph(360), sizes=np.arange(1, 361))
    core = connected_core(whole, 50, np.random.default_rng(0))
    assert len(np.unique(core)) == 50
    nodes, edge_rows = with_halo(whole, core)
    part = cut_out(whole, nodes, edge_rows)
    np.testing.assert_array_equal(nodes[part.edges], whole.edges[edge_rows])
    np.testing.assert_array_equal(part.features, whole.features[edge_rows])
    np.testing.assert_array_equal(part.degrees, whole.degrees[nodes])
    np.testing.assert_array_equal(part.sizes, whole.sizes[nodes])
    touching = np.flatnonzero(np.isin(whole.edges, core).any(axis=1))
    assert np.isin(touching, edge_rows).all()
    a, b, c = (set(map(tuple, part.edges[side].tolist())) for side in part.triangles.T)
    assert a | b | c <= set(map(tuple, part.edges.tolist()))
    kept = np.isin(whole.triangles, edge_rows).all(axis=1)
    np.testing.assert_array_equal(edge_rows[part.triangles], whole.triangles[kept])


@pytest.mark.parametrize("passes", [1, 2])
def test_edges_described_alone_have_the_features_that_they_have_among_all(passes, monkeypatch):
    graph = neighbor_graph(400)
    if passes == 2:
        points = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        linkage = np.random.default_rng(1).random(len(graph.edges), np.float32)
        graph = next_graph(points, *nearest_neighbors(points, 5), graph, linkage)
    rows = np.sort(np.random.default_rng(2).permutation(len(graph.edges))[:300])
    monkeypatch.setattr("hilander.graph.relational_graph._EDGES_DESCRIBED_ONCE", 0)
    alone = graph.features_of(rows)
    assert "features" not in vars(graph)
    np.testing.assert_array_equal(alone, graph.features[rows])
    assert len(graph.features_of(np.empty(0, np.int64))) == 0
