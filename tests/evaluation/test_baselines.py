import sys

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as scipy_linkage
from scipy.spatial.distance import pdist
from sklearn.cluster import DBSCAN

from hilander.evaluation.baselines import BASELINES, PointSet, evaluate_baselines, tune
from hilander.evaluation.baselines import linkage as linkage_module
from hilander.evaluation.baselines.grids import GRIDS
from hilander.evaluation.baselines.kmeans import nearest_class_mean
from hilander.metrics import score

NEEDS = {"leiden": "igraph", "infomap": "infomap"}


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_finds_well_separated_classes(name, train_set, test_set):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    result, ceiling = evaluate_baselines([name], *train_set, *test_set)
    assert result.reason == ""
    assert result.metrics["f_pairwise"] > (0.7 if name == "finch" else 0.9)  # FINCH has few partitions to offer
    assert len(result.labels) == len(test_set[0])
    assert ceiling.metrics["acc"] == 1
    assert len(result.tuning) == len(BASELINES[name].grid)


@pytest.mark.parametrize("name", ["kmeans", "chinese_whispers", "leiden", "infomap"])
def test_same_seed_same_labels(name, test_set):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    points = PointSet.build(test_set[0])
    setting = GRIDS[name][5] if name in GRIDS else {"n_clusters": 12}
    first, second = (BASELINES[name].fit_predict(points, setting, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_tuning_takes_the_best_of_the_grid(train_set):
    embeddings, labels = train_set
    baseline = BASELINES["connected_components"]
    chosen, table = tune(baseline, PointSet.build(embeddings), labels)
    sums = [row["f_pairwise"] + row["f_bcubed"] for row in table]
    assert chosen == baseline.grid[int(np.argmax(sums))]
    scores = score(labels, baseline.fit_predict(PointSet.build(embeddings), chosen))
    assert scores["f_pairwise"] + scores["f_bcubed"] == pytest.approx(max(sums))


def test_a_failing_baseline_becomes_a_row_with_its_reason(monkeypatch, train_set, test_set):
    monkeypatch.setitem(sys.modules, "igraph", None)  # as if it were not installed
    leiden, finch, ceiling = evaluate_baselines(["leiden", "finch"], *train_set, *test_set)
    assert leiden.metrics == {}
    assert "hilander[graph-baselines]" in leiden.reason
    assert finch.metrics
    assert ceiling.is_ceiling


def test_an_unknown_name_is_an_error(train_set, test_set):
    with pytest.raises(ValueError, match=r"unknown baselines louvain; known: kmeans"):
        evaluate_baselines(["louvain"], *train_set, *test_set)


@pytest.mark.parametrize("name", BASELINES)
def test_duplicates_and_very_few_points_do_not_break(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    embeddings = np.repeat(np.eye(2, 4, dtype=np.float32), 3, axis=0)
    for rows in (embeddings, embeddings[:3], embeddings[2:4]):
        settings = GRIDS[name][:: max(1, len(GRIDS[name]) // 6)] if name in GRIDS else [{"n_clusters": 2}]
        for labels in BASELINES[name].cluster(PointSet.build(rows), settings, 0):
            assert labels.shape == (len(rows),)


@pytest.mark.parametrize("name", ["dbscan", "hdbscan"])
def test_duplicates_are_neighbours_in_the_sparse_distances(name):
    embeddings = np.repeat(np.eye(3, 4, dtype=np.float32), 5, axis=0)
    setting = {"eps": 0.1, "min_samples": 3, "min_cluster_size": 3, "cluster_selection_method": "eom"}
    labels = BASELINES[name].fit_predict(PointSet.build(embeddings), setting)
    assert score(np.repeat([0, 1, 2], 5), labels)["f_pairwise"] == 1


@pytest.mark.parametrize("rows_per_chunk", [1, 7, 512])
def test_distances_of_all_pairs_stand_in_scipys_order(monkeypatch, rows_per_chunk, test_set):
    monkeypatch.setattr(linkage_module, "_ROWS_PER_CHUNK", rows_per_chunk)
    expected = pdist(test_set[0].astype(np.float64), "cosine")
    np.testing.assert_allclose(linkage_module._cosine_distances(test_set[0]), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["hac_average", "hac_ward"])
def test_large_sets_are_linked_along_the_graph(name, monkeypatch, test_set):
    embeddings, labels = test_set
    monkeypatch.setattr(linkage_module, "FULL_UP_TO", 10)
    found = [
        score(labels, pred)["f_pairwise"]
        for pred in BASELINES[name].cluster(PointSet.build(embeddings), GRIDS[name], 0)
    ]
    assert max(found) > 0.95


def test_edges_are_the_union_of_the_lists(test_set):
    points = PointSet.build(test_set[0])
    edges, weights = points.edges(4, 0.2)
    expected = {
        (min(i, j), max(i, j))
        for i in range(points.n)
        for j, similarity in zip(points.neighbors[i, :4], points.similarities[i, :4], strict=True)
        if similarity > 0.2
    }
    assert set(map(tuple, edges.tolist())) == expected
    np.testing.assert_allclose(
        weights, (points.embeddings[edges[:, 0]] * points.embeddings[edges[:, 1]]).sum(1), atol=1e-5
    )


def few_points(seed):
    """So few that all are neighbours of all."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, 3))
    points = centres[rng.integers(4, size=20)] + 0.5 * rng.normal(size=(20, 3))
    return PointSet.build((points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32))


def partition(labels):
    """Sets of points, of which noise is none."""
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist()) - {-1}}


@pytest.mark.parametrize("seed", range(5))
def test_dbscan_of_all_pairs_is_that_of_scikit_learn(seed):
    points = few_points(seed)
    distances = np.maximum(1 - points.embeddings.astype(np.float64) @ points.embeddings.T, 0)
    for setting in GRIDS["dbscan"][::4]:
        labels = BASELINES["dbscan"].fit_predict(points, setting)
        expected = DBSCAN(eps=setting["eps"], min_samples=setting["min_samples"], metric="precomputed").fit(distances)
        assert partition(labels) == partition(expected.labels_)


def test_hdbscan_keeps_components_of_the_graph_apart():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 30)  # more than 20 neighbours
    points = np.eye(3)[labels] + 0.1 * rng.normal(size=(90, 3))
    points = PointSet.build((points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32))
    setting = {"min_cluster_size": 20, "min_samples": 2, "cluster_selection_method": "eom"}
    found = BASELINES["hdbscan"].fit_predict(points, setting)
    assert sorted(set(found.tolist())) == [0, 1, 2]
    assert all(len(set(labels[list(cluster)])) == 1 for cluster in partition(found))


@pytest.mark.parametrize(("name", "method"), [("hac_average", "average"), ("hac_ward", "ward")])
def test_dendrograms_are_cut_as_scipy_cuts_those_of_all_distances(name, method, test_set):
    points = PointSet.build(test_set[0])
    metric = "euclidean" if method == "ward" else "cosine"
    tree = scipy_linkage(pdist(points.embeddings.astype(np.float64), metric), method)
    for threshold in (0.1, 0.5, 0.9):
        labels = BASELINES[name].fit_predict(points, {"distance_threshold": threshold})
        assert partition(labels) == partition(fcluster(tree, threshold, "distance"))


@pytest.mark.parametrize("seed", range(5))
def test_chinese_whispers_are_those_of_plain_python(seed):
    points = few_points(seed)
    edges, weights = points.edges(4, 0.5)
    around = [{} for _ in range(points.n)]
    for (i, j), weight in zip(edges.tolist(), weights.tolist(), strict=True):
        around[i][j] = around[j][i] = weight
    labels, rng = list(range(points.n)), np.random.default_rng(seed)
    for _ in range(20):
        for i in rng.permutation(points.n):
            votes = {}
            for j in sorted(around[i]):
                votes[labels[j]] = votes.get(labels[j], 0) + around[i][j]
            labels[i] = max(votes, key=votes.__getitem__, default=labels[i])
    found = BASELINES["chinese_whispers"].fit_predict(points, {"n_neighbors": 4, "similarity_threshold": 0.5}, seed)
    assert found.tolist() == labels


@pytest.mark.parametrize("seed", range(5))
def test_finch_links_clusters_to_the_nearest_ones_by_the_means_of_their_points(seed):
    points = few_points(seed)
    clusters = [[i] for i in range(points.n)]
    for number in range(4):
        means = np.array([points.embeddings[cluster].mean(axis=0) for cluster in clusters])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        similarities = means @ means.T - 3 * np.eye(len(means))
        if len(clusters) > 1:
            together = np.arange(len(clusters))
            for i, j in enumerate(similarities.argmax(axis=1)):
                together[together == together[i]] = together[j]
            clusters = [
                [point for i in np.flatnonzero(together == c) for point in clusters[i]] for c in np.unique(together)
            ]
        found = BASELINES["finch"].fit_predict(points, {"partition": number})
        assert partition(found) == set(map(frozenset, clusters))


@pytest.mark.parametrize("seed", range(5))
def test_the_ceiling_takes_each_point_to_the_nearest_mean_by_its_angle(seed):
    points, labels = few_points(seed).embeddings, np.random.default_rng(seed).integers(0, 3, 20)
    means = np.array([points[labels == label].mean(axis=0) for label in range(3)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    assert nearest_class_mean(points, labels).tolist() == (points @ means.T).argmax(axis=1).tolist()
