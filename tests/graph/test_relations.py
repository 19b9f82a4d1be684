import weakref

import numpy as np
import pytest

from hilander.graph import relations as module
from hilander.graph.knn import nearest_neighbors
from hilander.graph.pairs import undirected_edges
from hilander.graph.relations import FEATURE_NAMES, Relations, relational_features


def unit_rows(n, d=8, seed=0):
    points = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def slow_features(embeddings, neighbors, similarities, i, j):
    """All features of one pair in plain Python, with sets and lists."""
    n, k = neighbors.shape
    lists = [row.tolist() for row in neighbors]
    in_degree = np.bincount(neighbors[:, :20].ravel(), minlength=n)
    similarity = float(embeddings[i] @ embeddings[j])
    ranks = [min(lists[a].index(b) + 1, 60) if b in lists[a] else 60 for a, b in ((i, j), (j, i))]
    shared = [len(set(lists[i][:size]) & set(lists[j][:size])) / min(size, k) for size in (5, 10, 20, 40)]
    common = set(lists[i][:20]) & set(lists[j][:20])
    values = [similarity, np.log(min(ranks)), np.log(max(ranks)), *shared]
    values.append(sum(1 / np.log(2 + in_degree[m]) for m in common))
    mean = {size: similarities[:, :size].mean(axis=1) for size in (1, 5, 10, 40)}
    for property_ in (mean[1], mean[5], mean[10], mean[40], np.log1p(in_degree)):
        values += sorted([property_[i], property_[j]])
    values += sorted((similarity - mean[40][a]) / (similarities[a].std() + 1e-3) for a in (i, j))
    values.append(similarity - (mean[10][i] + mean[10][j]) / 2)
    values += sorted(similarity - mean[1][a] for a in (i, j))
    for size in (4, 10):
        smooth = {}
        for a in (i, j):
            weights = np.clip(similarities[a, :size], 0, 1) ** 3
            total = embeddings[a] + weights @ embeddings[neighbors[a, :size]]
            smooth[a] = total / np.linalg.norm(total)
        values.append(smooth[i] @ smooth[j])
        values += sorted([embeddings[i] @ smooth[j], smooth[i] @ embeddings[j]])
    return values


@pytest.mark.parametrize("n", [2, 7, 90])
def test_features_equal_those_in_plain_python(n):
    embeddings = unit_rows(n)
    neighbors, similarities = nearest_neighbors(embeddings, 40)
    edges = undirected_edges(neighbors)
    features = relational_features(embeddings, neighbors, similarities, edges)
    expected = [slow_features(embeddings, neighbors, similarities, i, j) for i, j in edges]
    assert features.shape == (len(edges), len(FEATURE_NAMES))
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def test_ranks_in_longer_lists_end_where_an_absent_one_stands():
    embeddings, rng = unit_rows(120), np.random.default_rng(0)
    neighbors = np.stack([rng.permutation(np.delete(np.arange(120), row))[:100] for row in range(120)])
    similarities = -np.sort(-rng.random((120, 100), np.float32), axis=1)
    edges = undirected_edges(neighbors)
    features = relational_features(embeddings, neighbors, similarities, edges)
    expected = [slow_features(embeddings, neighbors, similarities, i, j) for i, j in edges]
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def test_reordering_the_rows_reorders_the_features():
    embeddings = unit_rows(150)
    order = np.random.default_rng(1).permutation(150)
    described = {}
    for rows in (np.arange(150), order):
        neighbors, similarities = nearest_neighbors(embeddings[rows], 40)
        edges = undirected_edges(neighbors)
        features = relational_features(embeddings[rows], neighbors, similarities, edges)
        described[rows[0]] = {frozenset(rows[pair].tolist()): f for pair, f in zip(edges, features, strict=True)}
    first, second = described.values()
    assert first.keys() == second.keys()
    np.testing.assert_allclose([second[pair] for pair in first], list(first.values()), atol=1e-4)


def test_duplicates_and_opposites_give_finite_features():
    embeddings = np.repeat(unit_rows(2), 30, axis=0)
    embeddings[30:] = -embeddings[:30]
    neighbors, similarities = nearest_neighbors(embeddings, 40)
    features = relational_features(embeddings, neighbors, similarities, undirected_edges(neighbors))
    assert np.isfinite(features).all()


def test_what_features_are_made_from_is_freed_with_the_last_reference():
    embeddings = unit_rows(30)
    neighbors, similarities = nearest_neighbors(embeddings, 5)
    edges = undirected_edges(neighbors)
    relations = Relations(embeddings, neighbors, similarities)
    relations.write(edges, np.empty((len(edges), len(FEATURE_NAMES)), np.float32))
    alive = weakref.ref(relations)
    del relations
    assert alive() is None


def test_ranges_and_blocks_of_any_size_change_no_bit(monkeypatch):
    embeddings = unit_rows(120)
    neighbors, similarities = nearest_neighbors(embeddings, 40)
    edges = undirected_edges(neighbors)
    whole = relational_features(embeddings, neighbors, similarities, edges)
    for name, size in (("_EDGES_PER_RANGE", 500), ("_EDGES_PER_BLOCK", 7), ("_NODES_PER_BLOCK", 3)):
        monkeypatch.setattr(module, name, size)
    np.testing.assert_array_equal(relational_features(embeddings, neighbors, similarities, edges), whole)
