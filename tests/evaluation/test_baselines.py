import sys

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from hilander.evaluation.baselines import BASELINES, PointSet, evaluate_baselines, tune
from hilander.evaluation.baselines import linkage as linkage_module
from hilander.evaluation.baselines.grids import GRIDS
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
