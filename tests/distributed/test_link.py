import numpy as np
import pytest
import scipy.sparse as sp

from hilander.distributed.describe import NeighborhoodParts
from hilander.distributed.edges import make_edges
from hilander.distributed.features import cluster_feature_parts, sum_features
from hilander.distributed.link import link_parts
from hilander.graph.cluster_features import cluster_features
from hilander.graph.knn import nearest_neighbors
from hilander.graph.relational_graph import first_graph, next_graph
from hilander.models.general_model import general_model
from hilander.models.relational import predict
from tests.distributed.conftest import draw_classes


@pytest.fixture(scope="module")
def network():
    return general_model().landers.items


@pytest.fixture
def embeddings():
    return draw_classes(700)


def described(in_parts, name, features):
    found = nearest_neighbors(features, 40)
    lists = (in_parts(f"{name}_{what}", values) for what, values in zip(("near", "similar"), found, strict=True))
    return found, NeighborhoodParts(in_parts(name, features), *lists)


def gathered(graph, name):
    return np.concatenate([graph.array(name).read(part) for part in range(len(graph))])


def test_edges_and_neighbours_are_those_of_one_array(run, in_parts, embeddings):
    (neighbors, _), items = described(in_parts, "identity", embeddings)
    graph = make_edges(run, "first", items.neighbors)
    edges = gathered(graph, "edges")
    whole = first_graph(embeddings, neighbors, np.zeros(neighbors.shape, np.float32))
    np.testing.assert_array_equal(edges, whole.edges)
    np.testing.assert_array_equal(items.in_degree.all(), np.bincount(neighbors[:, :20].ravel(), minlength=700))
    for part in range(len(graph)):
        found, values = graph.adjacency(part), np.concatenate([graph.told(part, "told_edges"), graph.edges(part)])
        for row, node in enumerate(range(graph.bounds[part], graph.bounds[part + 1])):
            inside = slice(found.starts[row], found.starts[row + 1])
            expected = np.sort(whole.edges[(whole.edges == node).any(axis=1)].sum(axis=1) - node)
            np.testing.assert_array_equal(found.nodes[inside], expected)
            pairs = np.stack([np.minimum(node, expected), np.maximum(node, expected)], axis=1)
            np.testing.assert_array_equal(values[found.edges[inside]], pairs)


def test_both_passes_link_as_on_one_array(run, in_parts, embeddings, network, monkeypatch):
    monkeypatch.setattr("hilander.distributed.link._EDGES_PER_CHUNK", 300)
    lists, items = described(in_parts, "identity", embeddings)
    first = predict(network, first_graph(embeddings, *lists))
    graph = make_edges(run, "first", items.neighbors)
    link_parts(run, network, graph, items)
    np.testing.assert_allclose(gathered(graph, "linkage"), first.linkage, atol=0)

    moved = cluster_feature_parts(run, graph, items.features, "cluster")
    np.testing.assert_allclose(moved.all(), cluster_features(embeddings, first.graph.edges, first.linkage), atol=0)
    second = predict(network, next_graph(embeddings, *lists, first.graph, first.linkage))
    _, clusters = described(in_parts, "cluster", moved.all())
    both = make_edges(run, "second", items.neighbors, clusters.neighbors)
    np.testing.assert_array_equal(gathered(both, "edges"), second.graph.edges)
    link_parts(run, network, both, items, clusters, graph)
    np.testing.assert_allclose(gathered(both, "linkage"), second.linkage, atol=0)


def test_one_part_holds_what_many_do(run, in_parts, embeddings, network):
    found = []
    for name, rows_per_part in (("whole", 1000), ("cut", 37)):
        lists = nearest_neighbors(embeddings, 40)
        items = NeighborhoodParts(
            *(in_parts(f"{name}_{i}", each, rows_per_part) for i, each in enumerate((embeddings, *lists)))
        )
        graph = make_edges(run, name, items.neighbors)
        link_parts(run, network, graph, items)
        found.append((gathered(graph, "edges"), gathered(graph, "linkage")))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], atol=0)


def test_sums_of_clusters(run, in_parts, embeddings, monkeypatch):
    members = np.random.default_rng(1).integers(90, size=len(embeddings))
    members = np.unique(members, return_inverse=True)[1]
    belongs = sp.csr_array((np.ones(700, np.float32), (members, np.arange(700))))
    found = sum_features(run, "sums", in_parts("identity", embeddings), members)
    np.testing.assert_array_equal(found, belongs @ embeddings)
    monkeypatch.setattr("hilander.distributed.features._CLUSTERS_PER_PART", 17)
    np.testing.assert_array_equal(sum_features(run, "in parts", in_parts("again", embeddings), members), found)
