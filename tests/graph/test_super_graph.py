from itertools import combinations

import numpy as np
import pytest

from hilander.graph.cluster_features import cluster_features
from hilander.graph.knn import nearest_neighbors
from hilander.graph.relational_graph import EDGE_FEATURES, N_RELATIONS
from hilander.graph.relations import relational_features
from hilander.graph.size_context import size_context
from hilander.graph.super_graph import CLUSTER_EDGE_FEATURES, super_graph


def embeddings_of(n, seed=0):
    points = np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def evidence(graph):
    """The features beside the relational ones, by pair of clusters."""
    rows = {}
    for pair, features in zip(graph.edges.tolist(), graph.features, strict=True):
        known = slice(N_RELATIONS, len(EDGE_FEATURES))
        rows[tuple(pair)] = dict(zip(EDGE_FEATURES[known], features[known].tolist(), strict=True))
    return rows


def test_evidence_by_hand():
    members = np.array([0, 0, 1, 1, 1, 2])
    edges = np.array([[0, 1], [0, 2], [1, 3], [2, 3], [3, 4], [4, 5]])
    linkage = np.array([0.8, 0.6, 0.3, 0.9, 0.6, 0.2], np.float32)
    graph = super_graph(embeddings_of(6), edges, linkage, members)
    assert graph.sizes.tolist() == [2, 3, 1]
    assert graph.edges.tolist() == [[0, 1], [0, 2], [1, 2]]  # so few clusters are all near each other
    rows = evidence(graph)
    assert rows[0, 1] == pytest.approx(
        {
            "linkage_before": 0.9 / 6,
            "edges_before": 2 / 6,
            "largest_linkage_before": 0.6,
            "log_size_min": np.log(2),
            "log_size_max": np.log(3),
            "cohesion_min": 1.5 / 3,
            "cohesion_max": 0.8,
        }
    )
    assert rows[0, 2]["linkage_before"] == 0
    assert rows[1, 2]["linkage_before"] == pytest.approx(0.2 / 3)
    assert rows[1, 2]["cohesion_max"] == 1  # a single item


def test_far_clusters_with_evidence_are_joined():
    embeddings = embeddings_of(200)
    members = np.arange(200)
    far = int(np.argmin(embeddings @ embeddings[0]))
    graph = super_graph(embeddings, np.array([[0, far]]), np.array([0.05], np.float32), members)
    assert evidence(graph)[0, far]["largest_linkage_before"] == pytest.approx(0.05)
    assert len(graph.edges) < 200 * 20


def test_clusters_are_joined_and_described_by_the_means_of_their_embeddings_and_of_their_cluster_features():
    rng = np.random.default_rng(1)
    embeddings, members = embeddings_of(300), rng.permutation(np.r_[np.arange(90), rng.integers(90, size=210)])
    pairs = np.argwhere(np.triu(rng.random((300, 300)) < 0.02, 1))
    linkage = rng.random(len(pairs)).astype(np.float32) ** 8  # little of it, so that not every pair is evident
    graph = super_graph(embeddings, pairs, linkage, members)

    belongs = np.eye(90, dtype=np.float32)[members].T
    joined, described = set(), []
    for items in (embeddings, cluster_features(embeddings, pairs, linkage)):
        means = belongs @ items / belongs.sum(axis=1, keepdims=True)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        lists = nearest_neighbors(means, 40)
        joined |= {tuple(sorted((i, j))) for i in range(90) for j in lists[0][i, :10].tolist()}
        described.append(relational_features(means, *lists, graph.edges))
    for i, j in combinations(range(90), 2):
        total = linkage[(members[pairs] == [i, j]).all(axis=1) | (members[pairs] == [j, i]).all(axis=1)].sum()
        if total > 0.02 * min(graph.sizes[i], graph.sizes[j]):
            joined.add((i, j))
    assert list(map(tuple, graph.edges.tolist())) == sorted(joined)
    assert len(joined) < 0.7 * 90 * 89 / 2
    np.testing.assert_allclose(graph.features[:, :N_RELATIONS], np.hstack(described), rtol=1e-3, atol=1e-3)


def test_one_item_per_cluster_keeps_the_similarity():
    embeddings = embeddings_of(30)
    graph = super_graph(embeddings, np.empty((0, 2), np.int64), np.empty(0, np.float32), np.arange(30))
    expected = (embeddings[graph.edges[:, 0]] * embeddings[graph.edges[:, 1]]).sum(axis=1)
    np.testing.assert_allclose(graph.features[:, 0], expected, atol=1e-5)
    assert graph.features.shape[1] == len(CLUSTER_EDGE_FEATURES)


def test_sizes_in_context_come_last():
    members = np.repeat(np.arange(8), [1, 2, 3, 4, 5, 5, 5, 5])
    graph = super_graph(embeddings_of(30), np.array([[0, 5]]), np.array([0.5], np.float32), members)
    np.testing.assert_array_equal(graph.features[:, len(EDGE_FEATURES) :], size_context(graph.sizes, graph.edges))
