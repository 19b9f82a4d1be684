import numpy as np
import pytest

from hilander.graph.cluster_features import cluster_feature_steps, cluster_features, sum_over_clusters


def test_cluster_features_are_soft_means():
    embeddings = np.eye(4, dtype=np.float32)
    features = cluster_features(embeddings, np.array([[0, 1], [1, 2]]), np.array([1.0, 0.05], np.float32))
    np.testing.assert_allclose(features[:2], np.full((2, 2), np.sqrt(0.5)) @ embeddings[:2], atol=1e-6)
    np.testing.assert_array_equal(features[2:], embeddings[2:])  # a linkage of .05 carries nothing


@pytest.mark.parametrize("d", [3, 64, 150])
def test_each_step_is_a_product_with_the_symmetric_matrix_of_linkages(d):
    rng = np.random.default_rng(d)
    embeddings = rng.normal(size=(30, d)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    edges = np.argwhere(np.triu(rng.random((30, 30)) < 0.2, 1))
    linkage = rng.random(len(edges)).astype(np.float32)
    matrix = np.eye(30)
    for (i, j), p in zip(edges, linkage, strict=True):
        matrix[i, j] = matrix[j, i] = p if p > 0.1 else 0
    kept, *steps = cluster_feature_steps(embeddings, edges, linkage)
    assert kept is embeddings
    expected = embeddings
    for step in steps:
        expected = matrix @ expected
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(step, expected, atol=1e-5)
    np.testing.assert_array_equal(cluster_features(embeddings, edges, linkage), steps[-1])


def test_sums_over_clusters_equal_those_of_all_features(monkeypatch):
    monkeypatch.setattr("hilander.graph.cluster_features._ROWS_PER_WINDOW", 7)
    rng = np.random.default_rng(3)
    embeddings = rng.normal(size=(40, 6)).astype(np.float32)
    edges = np.array([[i, j] for i in range(40) for j in range(i + 1, 40) if rng.random() < 0.2])
    linkage = rng.random(len(edges)).astype(np.float32)
    members = rng.permutation(np.arange(40) % 9)
    identity, cluster = sum_over_clusters(embeddings, edges, linkage, members)
    features = cluster_features(embeddings, edges, linkage)
    for number in range(9):
        np.testing.assert_allclose(identity[number], embeddings[members == number].sum(axis=0), atol=1e-5)
        np.testing.assert_allclose(cluster[number], features[members == number].sum(axis=0), atol=1e-5)


def test_blocks_of_any_size_change_no_bit(monkeypatch):
    rng = np.random.default_rng(4)
    embeddings = rng.normal(size=(40, 6)).astype(np.float32)
    edges = np.argwhere(np.triu(rng.random((40, 40)) < 0.2, 1))
    graph = embeddings, edges, rng.random(len(edges)).astype(np.float32)
    features, sums = cluster_features(*graph), sum_over_clusters(*graph, np.arange(40) % 9)
    monkeypatch.setattr("hilander.graph.cluster_features._ROWS_PER_BLOCK", 3)
    monkeypatch.setattr("hilander.graph.cluster_features._ROWS_PER_WINDOW", 11)
    np.testing.assert_array_equal(cluster_features(*graph), features)
    np.testing.assert_array_equal(sum_over_clusters(*graph, np.arange(40) % 9), sums)
