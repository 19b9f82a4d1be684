import numpy as np
import pytest

from hilander import HiLander
from hilander.config import RelationalParams
from hilander.data.synthetic_embeddings import draw_embeddings
from hilander.training.general import train_general
from hilander.training.general_sets import (
    N_DRAWN,
    N_ENCODED,
    N_LARGE,
    N_PICTURES,
    WIDTHS,
    SetsBeside,
    drawn_sets,
    encoded_sets,
    large_sets,
    picture_sets,
    sets_beside,
    sets_for_clusters,
    variants,
)
from hilander.training.labelled_set import LabelledSet

BRIEF = RelationalParams(n_item_steps=6, n_cluster_steps=3, n_starter_steps=3, n_cores=1)


def test_drawn_sets_are_of_many_widths():
    sets = drawn_sets(3, seed=5)
    assert [each.embeddings.shape for each in sets] == [(60, 32), (200, 64), (600, 128)]
    assert [each.embeddings.shape for each in encoded_sets(2, seed=5)] == [(60, 32), (200, 64)]


def test_clusters_are_learned_from_all_but_pictures():
    kinds = ["world"] * N_ENCODED + ["drawn"] * N_DRAWN + ["picture"] * N_PICTURES + ["real"] * 9 + ["large"] * 24
    assert sets_for_clusters(kinds) == [kind for kind in kinds if kind != "picture"]
    assert [len(each.labels) for each in picture_sets(3)] == [60, 200, 600]


def test_one_model_from_several_sets_clusters_any_width():
    sets = [LabelledSet(*draw_embeddings(150, d, seed=d)) for d in (32, 48)]
    model = train_general(sets, BRIEF)
    assert model.provenance["trained_on"]["items"] == 300
    best = max(model.provenance["thresholds"], key=lambda row: row["f_pairwise"] + row["f_bcubed"])
    assert model.settings.linkage_threshold == pytest.approx(best["threshold"])
    assert model.settings.adapt_threshold
    labels = HiLander(model).fit_predict(draw_embeddings(60, 200, seed=0)[0])
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))


def test_variants_of_a_real_set_are_parts_of_it_in_other_widths():
    real = LabelledSet(*draw_embeddings(400, 48, seed=0))
    others = variants(real, 3)
    assert [each.embeddings.shape[1] for each in others] == [32, 64, 128]
    for each in others:
        assert 2 <= len(each.labels) < len(real.labels)
        assert np.array_equal(np.unique(each.labels), np.arange(each.labels.max() + 1))


@pytest.fixture(scope="module")
def large():
    return large_sets(N_LARGE + 6)


def test_large_sets_have_classes_far_larger_than_a_list_of_neighbors(large):
    sets = large[:N_LARGE]
    assert {each.embeddings.shape[1] for each in sets} == set(WIDTHS)
    for each in sets:
        sizes = np.bincount(each.labels)
        assert np.median(sizes[each.labels]) > 2 * 40  # of the class of an item


def test_a_few_large_sets_hold_every_width_and_are_among_all_of_them(large):
    def digests(sets):
        return [each.embeddings.tobytes() for each in sets]

    few = large_sets(8)
    assert {each.embeddings.shape[1] for each in few} == set(WIDTHS)
    assert set(digests(few)) <= set(digests(large[:N_LARGE]))
    assert len(set(digests(large))) == N_LARGE + 6


def test_sets_beside_ones_own_are_of_the_kinds_that_each_network_learns_from():
    sets = sets_beside(5)
    assert [len(sets.items), len(sets.context), len(sets.clusters)] == [5 + 1 + 1, 5 + 1 + 1, 5 + 1]
    # Of the worlds the first, which is small.
    for expected, each in zip(
        [*encoded_sets(1), *encoded_sets(1, styles=True), *picture_sets(1)],
        [sets.items[0], *sets.items[5:]],
        strict=True,
    ):
        assert np.array_equal(expected.embeddings, each.embeddings)
    for expected, each in zip(
        [*encoded_sets(1, twins=True), *large_sets(1)], [sets.clusters[0], *sets.clusters[5:]], strict=True
    ):
        assert np.array_equal(expected.embeddings, each.embeddings)
    for expected, each in zip(sets.clusters, [*sets.context[:5], *sets.context[6:]], strict=True):
        assert expected is each
    assert sets_beside(0) == SetsBeside([], [], [])
