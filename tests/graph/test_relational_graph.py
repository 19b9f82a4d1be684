import numpy as np
import pytest

from hilander.graph import relational_graph
from hilander.graph.cluster_features import cluster_features
from hilander.graph.knn import nearest_neighbors
from hilander.graph.pairs import undirected_edges
from hilander.graph.relational_graph import EDGE_FEATURES, N_RELATIONS, first_graph, next_graph
from hilander.graph.relations import relational_features


def blobs(n_classes=30, size=12, spread=0.35, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), size)
    points = rng.normal(size=(n_classes, 16))[labels] + spread * rng.normal(size=(len(labels), 16))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points.astype(np.float32), labels


def graphs(embeddings, labels):
    """The first graph and, with the true linkage on it, the next one."""
    nearest = nearest_neighbors(embeddings, 40)
    first = first_graph(embeddings, *nearest)
    linked = (labels[first.edges[:, 0]] == labels[first.edges[:, 1]]).astype(np.float32)
    return first, next_graph(embeddings, *nearest, first, linked), linked


def test_first_graph_knows_one_feature_per_node():
    first, _, _ = graphs(*blobs())
    width = (len(EDGE_FEATURES) - 7) // 2
    assert first.features.shape == (len(first.edges), len(EDGE_FEATURES))
    np.testing.assert_array_equal(first.features[:, :width], first.features[:, width : 2 * width])
    assert (first.features[:, 2 * width :] == [0, 0, 0, 0, 0, 1, 1]).all()


def test_next_graph_finds_class_mates_that_were_no_neighbors():
    embeddings, labels = blobs(size=40, spread=0.9)
    first, following, linked = graphs(embeddings, labels)
    found = (labels[following.edges[:, 0]] == labels[following.edges[:, 1]]).sum()
    assert found > 1.2 * linked.sum()
    before = dict(zip(map(tuple, first.edges.tolist()), linked.tolist(), strict=True))
    for pair, (linkage, was_edge) in zip(following.edges.tolist(), following.features[:, -7:-5].tolist(), strict=True):
        assert (linkage, bool(was_edge)) == (before.get(tuple(pair), 0), tuple(pair) in before)


def test_next_graph_joins_and_describes_by_the_embeddings_first_and_then_by_the_cluster_features():
    embeddings, labels = blobs(size=40, spread=0.9)
    first, following, linked = graphs(embeddings, labels)
    clusters = cluster_features(embeddings, first.edges, linked)
    lists = [nearest_neighbors(rows, 40) for rows in (embeddings, clusters)]
    np.testing.assert_array_equal(following.edges, undirected_edges(lists[0][0], lists[1][0]))
    described = [
        relational_features(rows, *found, following.edges)
        for rows, found in zip((embeddings, clusters), lists, strict=True)
    ]
    assert np.abs(described[0] - described[1]).max() > 1
    np.testing.assert_allclose(following.features[:, :N_RELATIONS], np.hstack(described), atol=1e-5)
    np.testing.assert_array_equal(following.features[:, -5], following.features[:, -7])  # the largest is the only one
    np.testing.assert_array_equal(following.degrees, np.bincount(following.edges.ravel()))


def test_features_are_the_same_in_chunks_of_any_size(monkeypatch):
    _, whole, _ = graphs(*blobs())
    features = whole.features
    monkeypatch.setattr(relational_graph, "EDGES_PER_CHUNK", 7)
    _, following, _ = graphs(*blobs())
    assert {len(chunk) for chunk in following.feature_chunks()} == {7, len(features) % 7 or 7}
    np.testing.assert_allclose(following.features, features, atol=1e-6)


def test_a_graph_without_features_keeps_its_shape():
    first, _, _ = graphs(*blobs())
    bare = first.without_features()
    np.testing.assert_array_equal(bare.triangles, first.triangles)
    with pytest.raises(ValueError, match="let go"):
        assert bare.features


@pytest.mark.parametrize("n", [2, 3, 10])
def test_few_nodes(n):
    embeddings, labels = blobs()
    first, following, _ = graphs(embeddings[:n], labels[:n])
    assert len(first.edges) == len(following.edges) == n * (n - 1) // 2
    assert np.isfinite(following.features).all()
