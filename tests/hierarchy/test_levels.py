import numpy as np
import pytest

from hilander.embeddings import check_embeddings
from hilander.graph.knn import nearest_neighbors
from hilander.graph.targets import density_of, true_linkage
from hilander.hierarchy.decode import Links, tree_parents
from hilander.hierarchy.levels import build_levels
from hilander.hierarchy.next_level import first_level, next_level


def blobs(n_classes=6, size=15, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), size)
    return check_embeddings(rng.normal(size=(n_classes, 16))[labels] + 0.3 * rng.normal(size=(len(labels), 16))), labels


def oracle(labels):
    def link(graph):
        node_labels = labels[graph.nodes.peaks]
        linkage = true_linkage(graph.neighbors, node_labels)
        n, k = graph.neighbors.shape
        return Links(
            graph.neighbors.ravel(),
            np.repeat(np.arange(n), k),
            linkage.ravel(),
            density_of(graph.similarities, linkage),
        )

    return link


def test_true_links_give_the_true_classes():
    embeddings, labels = blobs()
    levels = list(build_levels(embeddings, oracle(labels), lambda links, _: tree_parents(links, 0.5), n_neighbors=4))
    found = levels[-1].merged.members
    assert len(np.unique(found)) == 6
    assert all(len(np.unique(labels[found == c])) == 1 for c in range(6))
    assert levels[-1].n_edges == 0  # it stopped since nothing was left to join
    assert [level.n_nodes for level in levels[1:]] == [level.n_clusters for level in levels[:-1]]


def test_no_link_stops_after_one_level():
    embeddings, _ = blobs()
    levels = list(
        build_levels(embeddings, oracle(np.arange(90)), lambda links, _: tree_parents(links, 0.5), n_neighbors=4)
    )
    assert len(levels) == 1
    assert levels[0].n_clusters == 90


def test_max_levels_and_the_early_stop_end_the_loop():
    embeddings, labels = blobs()

    def run(**stop):
        return list(build_levels(embeddings, oracle(labels), lambda links, _: tree_parents(links, 0.5), **stop))

    full = run(n_neighbors=2)
    assert len(full) > 2
    assert len(run(n_neighbors=2, max_levels=2)) == 2
    # k − 1 = 1: stop as soon as a level adds more edges than the one before, which merging never does
    assert len(run(n_neighbors=2, early_stop=True)) == len(full)
    assert len(run(n_neighbors=40, early_stop=True)) <= 2


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_inputs_need_no_special_treatment(n):
    embeddings, labels = blobs(1, n)
    levels = list(build_levels(embeddings, oracle(labels), lambda links, _: tree_parents(links, 0.5), n_neighbors=10))
    assert (levels[-1].n_clusters if levels else n) == 1


def test_next_level_keeps_the_peaks_identity_and_the_members_mean():
    embeddings, _ = blobs(2, 2)
    merged = next_level(first_level(embeddings), np.array([0, 0, 3, 3]), embeddings)
    assert merged.peaks.tolist() == [0, 3]
    assert merged.members.tolist() == [0, 0, 1, 1]
    assert merged.sizes.tolist() == [2, 2]
    np.testing.assert_array_equal(merged.features, embeddings[[0, 3]])
    np.testing.assert_allclose(merged.cluster_features, [embeddings[:2].mean(0), embeddings[2:].mean(0)], atol=1e-6)
    again = next_level(merged, np.array([1, 1]), embeddings)
    np.testing.assert_allclose(again.cluster_features[0], embeddings.mean(0), atol=1e-6)
    assert again.peaks.tolist() == [3]


@pytest.mark.parametrize("known", [True, False])
def test_nodes_are_what_their_items_make_of_them_level_after_level(known):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(200, 5)).astype(np.float32)
    nodes, peak_of = first_level(embeddings), np.arange(200)
    for n_roots in (80, 30, 7, 1):
        order = rng.permutation(len(nodes))
        parents = order.copy()
        for place, node in enumerate(order):  # trees of any depth
            parents[node] = node if place < n_roots else order[rng.integers(place)]
        above = dict(zip(nodes.peaks.tolist(), nodes.peaks[parents].tolist(), strict=True))  # from peak to peak
        while any(above[peak] != peak for peak in peak_of):
            peak_of = np.array([above[peak] for peak in peak_of])
        nodes = next_level(nodes, parents, embeddings if known else None)
        assert len(nodes) == len(nodes.sizes) == n_roots
        np.testing.assert_array_equal(nodes.peaks[nodes.members], peak_of)
        np.testing.assert_array_equal(nodes.sizes, [(peak_of == peak).sum() for peak in nodes.peaks])
        if known:
            np.testing.assert_array_equal(nodes.features, embeddings[nodes.peaks])
            means = [embeddings[peak_of == peak].mean(axis=0) for peak in nodes.peaks]
            np.testing.assert_allclose(nodes.cluster_features, means, atol=1e-5)
        else:
            assert nodes.features.shape == nodes.cluster_features.shape == (n_roots, 0)


def levels_of(embeddings, parents, **options):
    """Levels whose forests are given; the ones after them merge nothing."""

    def decode(links, graph):
        return np.array(parents[graph.number]) if graph.number < len(parents) else np.arange(len(graph.nodes))

    return list(build_levels(embeddings, lambda graph: None, decode, **options))


@pytest.mark.parametrize("search_features", ["identity", "cluster"])
def test_levels_above_the_first_are_searched_by_the_peaks_or_by_the_means(search_features):
    embeddings, _ = blobs(6, 4)
    parents = np.arange(24) // 2 * 2
    level = levels_of(embeddings, [parents], n_neighbors=3, search_features=search_features)[1]
    means = embeddings.reshape(12, 2, 16).mean(axis=1)
    searched = embeddings[::2] if search_features == "identity" else check_embeddings(means)
    np.testing.assert_array_equal(level.graph.neighbors, nearest_neighbors(searched, 3)[0])


def test_members_that_cancel_out_are_searched_by_their_peak():
    embeddings = np.array([[1, 0, 0], [-1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32)
    level = levels_of(embeddings, [[0, 0, 2, 3]], n_neighbors=1, search_features="cluster")[1]
    assert level.graph.neighbors[0].tolist() == [1]
    np.testing.assert_allclose(level.graph.similarities[0], [0.6])


def test_members_that_almost_cancel_out_are_searched_by_what_is_left():
    off = np.sqrt(1 - 0.05**2)
    embeddings = np.array([[off, 0.05, 0], [-off, 0.05, 0], [0.6, 0, 0.8], [0, 0.8, 0.6]], np.float32)
    level = levels_of(embeddings, [[0, 0, 2, 3]], n_neighbors=1, search_features="cluster")[1]
    assert level.graph.neighbors[0].tolist() == [2]
    np.testing.assert_allclose(level.graph.similarities[0], [0.8], atol=1e-6)


def test_a_model_that_finds_its_candidates_itself_gets_those_of_level_0_alone():
    embeddings, _ = blobs(6, 4)
    first, second, _ = levels_of(
        embeddings, [np.arange(24) // 2 * 2, np.arange(12) // 2 * 2], n_neighbors=3, search_features="none"
    )
    np.testing.assert_array_equal(first.graph.neighbors, nearest_neighbors(embeddings, 3)[0])
    assert second.graph.neighbors.shape == second.graph.similarities.shape == (12, 0)
    assert second.graph.nodes.features.shape == (12, 0)
    assert second.merged.peaks.tolist() == [0, 4, 8, 12, 16, 20]


def test_each_level_knows_its_number_and_the_one_below_and_only_the_first_draws_progress(capfd):
    levels = levels_of(blobs(3, 4)[0], [np.arange(12) // 3 * 3, [0, 0, 2, 2]], n_neighbors=5, show_progress=True)
    assert "levels" in capfd.readouterr().err
    assert [level.graph.number for level in levels] == [0, 1, 2]
    assert [level.graph.show_progress for level in levels] == [True, False, False]
    assert levels[0].graph.below is None
    assert [level.graph.below for level in levels[1:]] == levels[:-1]
    assert not any(level.graph.show_progress for level in levels_of(blobs(3, 4)[0], [], n_neighbors=5))
    assert capfd.readouterr().err == ""


def test_known_neighbors_stand_in_for_the_search_of_level_0_as_many_as_are_asked_for():
    embeddings, _ = blobs()
    known = tuple(each[:, ::-1] for each in nearest_neighbors(embeddings, 9))  # that no search finds
    level = levels_of(embeddings, [], n_neighbors=4, neighbors=known)[0]
    np.testing.assert_array_equal(level.graph.neighbors, known[0][:, :4])
    np.testing.assert_array_equal(level.graph.similarities, known[1][:, :4])


@pytest.mark.parametrize(("k", "n_levels"), [(5, 3), (6, 2)])
def test_the_early_stop_compares_edges_with_those_of_the_level_before(k, n_levels):
    parents = [np.arange(12) // 3 * 3, [0, 0, 2, 2]]  # 8 edges, then 2: a quarter
    assert len(levels_of(blobs(3, 4)[0], parents, n_neighbors=k, early_stop=True)) == n_levels


def test_the_seed_given_is_that_of_the_search(monkeypatch):
    monkeypatch.setattr("hilander.graph.knn.EXACT_UP_TO", 1_000)
    embeddings = check_embeddings(np.random.default_rng(0).normal(size=(3_000, 16)))
    found = []
    for seed in (0, 1):
        found.append(levels_of(embeddings, [], n_neighbors=10, random_state=seed)[0].graph.neighbors)
        np.testing.assert_array_equal(found[-1], nearest_neighbors(embeddings, 10, random_state=seed)[0])
    assert (found[0] != found[1]).any()
