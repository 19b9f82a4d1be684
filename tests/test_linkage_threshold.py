from dataclasses import replace

import numpy as np
import pytest

from hilander import HiLander
from hilander.embeddings import check_embeddings
from hilander.graph.knn import nearest_neighbors
from hilander.hierarchy.constraints import Constraints
from hilander.hierarchy.decode import Links
from hilander.hierarchy.levels import LevelGraph
from hilander.hierarchy.next_level import first_level
from hilander.linkage_threshold import CANDIDATES, adapt_threshold, expected_f, f_in_doubt, multiply_odds
from hilander.model_levels import model_levels
from hilander.models.general_model import general_model
from hilander.models.similarity import SimilarityModel


def links(seed=0, n=40, m=300):
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, n, (2, m))
    return Links(source, target, rng.random(m).astype(np.float32), rng.random(n).astype(np.float32))


@pytest.mark.parametrize("n_clusters", [1, 3, 40])
def test_expected_f_is_that_of_plain_counting(n_clusters):
    found, members = links(), np.random.default_rng(1).integers(0, n_clusters, 40)
    right = joined = true = 0.0
    for i, j, p in zip(found.source, found.target, found.linkage, strict=True):
        true += p
        if members[i] == members[j]:
            joined += 1
            right += p
    assert expected_f(found, members) == pytest.approx(2 * right / (true + joined))


def test_expected_f_of_certain_links_is_one_for_their_own_clusters_alone():
    members = np.repeat(np.arange(5), 8)
    source, target = np.nonzero(~np.eye(40, dtype=bool))
    found = Links(source, target, (members[source] == members[target]).astype(np.float32), np.zeros(40, np.float32))
    assert expected_f(found, members) == 1
    assert expected_f(found, np.zeros(40, np.int64)) < 1
    assert expected_f(found, np.arange(40)) == 0


def test_expected_f_of_nothing_joined_is_the_probability_that_nothing_belongs_together():
    three = Links(np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([0.1, 0.2, 0.5], np.float32), np.zeros(3))
    assert expected_f(three, np.arange(3)) == pytest.approx(0.9 * 0.8 * 0.5)


def test_two_opposite_points_stay_apart():
    assert len(set(HiLander().fit_predict(np.array([[1.0, 0.0], [-1.0, 0.0]])))) == 2


def blobs(n_classes, size, spread, d=32):
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(n_classes), size)
    return rng.normal(size=(n_classes, d))[classes] + spread * rng.normal(size=(len(classes), d))


def test_the_general_model_takes_the_threshold_that_suits_the_data():
    clusterer = HiLander().fit(blobs(20, 10, 0.3))
    by_hand = [HiLander(linkage_threshold=threshold).fit(blobs(20, 10, 0.3)).labels_ for threshold in CANDIDATES]
    assert any(np.array_equal(clusterer.labels_, labels) for labels in by_hand)


@pytest.mark.parametrize("changed", [{}, {"first_threshold": 0.2}])
@pytest.mark.parametrize("spread", [1.0, 1.2])
@pytest.mark.parametrize("constrained", [False, True])
def test_it_is_the_one_that_is_best_where_all_levels_are_run_with_each(changed, spread, constrained):
    rng, model, held = np.random.default_rng(0), general_model(), None
    settings = replace(model.settings, **changed)
    classes = np.repeat(np.arange(24), rng.integers(1, 30, 24))  # so nodes of the last level differ in size
    n = len(classes)
    rows = check_embeddings(rng.normal(size=(24, 32))[classes] + spread * rng.normal(size=(n, 32)))
    if constrained:
        apart = np.unique(np.sort(rng.integers(n, size=(150, 2)), axis=1), axis=0)
        held = Constraints(np.arange(n), apart[apart[:, 0] < apart[:, 1]], np.ones(n, np.int64), 15)

    def expected(threshold):
        levels = list(model_levels(rows, model, replace(settings, linkage_threshold=threshold), constraints=held))
        return f_in_doubt(levels[0].links, levels[-1].merged.members)

    found = adapt_threshold(rows, model, settings, constraints=held)
    assert found.linkage_threshold == max(CANDIDATES, key=expected)


def test_any_model_can_adapt():
    general = general_model()
    settled = replace(general, settings=replace(general.settings, adapt_threshold=False, linkage_threshold=0.95))
    rows = blobs(20, 10, 0.9)
    adapted = HiLander(settled, linkage_threshold="adapted").fit(rows).labels_
    assert np.array_equal(adapted, HiLander().fit(rows).labels_)
    assert not np.array_equal(adapted, HiLander(settled).fit(rows).labels_)


@pytest.mark.parametrize("spread", [0.2, 0.9, 1.5])
def test_a_model_whose_levels_all_merge_by_the_threshold_adapts_too(spread):
    rows = blobs(20, 10, spread)
    adapted = HiLander(SimilarityModel(), linkage_threshold="adapted").fit(rows)
    levels = [HiLander(SimilarityModel(), linkage_threshold=threshold).fit(rows) for threshold in CANDIDATES]
    nodes = check_embeddings(rows)
    links = SimilarityModel().link(
        LevelGraph(first_level(nodes), *nearest_neighbors(nodes, SimilarityModel().settings.n_neighbors))
    )
    best = max(levels, key=lambda each: f_in_doubt(links, each.labels_))
    assert adapted.linkage_threshold_ == best.linkage_threshold_
    assert np.array_equal(adapted.labels_, best.labels_)


def test_a_class_of_many_parts_of_which_each_is_linked_to_few_comes_together():
    size, general, rng = 400, general_model(), np.random.default_rng(0)
    classes = np.repeat([0, 1], size)
    pairs = np.concatenate([size * c + np.stack([rng.permutation(size) for _ in range(12)], axis=1) for c in (0, 1)])
    pairs = np.unique(np.sort(pairs.reshape(-1, 2), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]  # twelve to an item, where lists have forty neighbours
    unsure = Links(*pairs.T, np.full(len(pairs), 0.45, np.float32), np.ones(2 * size, np.float32))
    rows = check_embeddings(rng.normal(size=(2 * size, 16)))
    adapted = adapt_threshold(rows, general, general.settings, link=lambda graph: unsure)
    (level,) = model_levels(rows, general, adapted, link=lambda graph: unsure)
    assert level.merged.members.tolist() == classes.tolist()


def test_granularity_departs_from_the_threshold_that_was_chosen():
    counts = [HiLander(granularity=g).fit(blobs(20, 10, 0.9)).labels_.max() for g in (0.01, 0.1, 1.0, 10.0, 1000.0)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


@pytest.mark.parametrize("granularity", [0.0, -1.0, float("nan"), float("inf")])
def test_a_granularity_that_is_none_is_refused(granularity):
    with pytest.raises(ValueError, match="granularity must be above 0"):
        multiply_odds(0.5, granularity)
