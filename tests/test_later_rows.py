import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hilander import HiLander
from hilander.graph.distinct_rows import ordered_rows
from tests.test_estimator import blobs


def test_later_rows_join_their_clusters_or_none():
    embeddings, _ = blobs(noise=0.15, seed=5)
    clusterer = HiLander()
    labels = clusterer.fit_predict(embeddings[::2])
    found = clusterer.predict(embeddings[1::2])
    assert_array_equal(found, labels)  # rows alternate, so each later one follows one of its class
    assert clusterer.predict(-embeddings.mean(axis=0, keepdims=True) + 0.01).tolist() == [-1]


def test_earlier_clusters_can_be_taken_over():
    embeddings, classes = blobs(noise=0.15, seed=5)
    clusterer = HiLander().adopt(embeddings[::2], classes[::2] + 100)
    assert_array_equal(clusterer.predict(embeddings[1::2]), classes[1::2] + 100)
    with pytest.raises(ValueError, match="no cluster to assign to"):
        HiLander().adopt(embeddings, np.full(len(embeddings), -1))
    with pytest.raises(ValueError, match="one per embedding; got int64 of shape"):
        HiLander().adopt(embeddings, classes[:3])
    with pytest.raises(ValueError, match="from 0, or -1 for none; got -5"):
        HiLander().adopt(embeddings, classes - 5)


@pytest.mark.parametrize("granularity", [1, 3])
def test_clusters_that_are_taken_over_in_any_order_are_added_to_as_after_their_fit(granularity):
    embeddings, _ = blobs(noise=0.5, seed=8)
    fitted = HiLander(granularity=granularity).fit(embeddings[::2])
    expected = fitted.assign(embeddings[1::2])
    order = np.random.default_rng(0).permutation(len(embeddings[::2]))
    taken_over = HiLander(linkage_threshold=fitted.linkage_threshold_)
    found = taken_over.adopt(embeddings[::2][order], fitted.labels_[order]).assign(embeddings[1::2])
    assert_array_equal(found.labels, expected.labels)
    assert_array_equal(found.probabilities, expected.probabilities)
    some = fitted.labels_[order] > 3  # others belong to no cluster
    left_out = taken_over.adopt(embeddings[::2][order], np.where(some, fitted.labels_[order], -1))
    found = left_out.assign(embeddings[1::2])
    again = taken_over.adopt(embeddings[::2], np.where(fitted.labels_ > 3, fitted.labels_, -1))
    assert_array_equal(again.assign(embeddings[1::2]).probabilities, found.probabilities)


@pytest.mark.parametrize("seed", range(5))
def test_clusters_beside_labelled_outliers_are_taken_over_as_after_their_fit(seed):
    embeddings, _ = blobs(d=8, noise=0.9, seed=seed)
    fitted = HiLander(outliers="label", granularity=5).fit(embeddings[::2])
    assert (fitted.labels_ == -1).any()
    taken_over = HiLander(linkage_threshold=fitted.linkage_threshold_).adopt(embeddings[::2], fitted.labels_)
    assert_array_equal(taken_over.labels_, fitted.labels_)
    for ours, theirs in zip(
        vars(taken_over.assign(embeddings[1::2])).values(), vars(fitted.assign(embeddings[1::2])).values(), strict=True
    ):
        assert_array_equal(ours, theirs)


@pytest.mark.parametrize("parameters", [{}, {"granularity": 3}, {"whitening": 0}], ids=str)
def test_clusters_are_taken_over_under_the_threshold_that_adapts_to_their_embeddings(parameters):
    embeddings, _ = blobs(20, 20, d=32, noise=0.8, seed=2)
    fitted = HiLander(**parameters).fit(embeddings[::2])
    taken_over = HiLander(**parameters).adopt(embeddings[::2], fitted.labels_)
    assert taken_over.linkage_threshold_ == fitted.linkage_threshold_
    assert_array_equal(taken_over.predict(embeddings[1::2]), fitted.predict(embeddings[1::2]))
    some = np.where(fitted.labels_ > 5, fitted.labels_, -1)  # what belongs to none is part of the set as well
    assert HiLander(**parameters).adopt(embeddings[::2], some).linkage_threshold_ == fitted.linkage_threshold_


def test_adopt_orders_rows_once_and_equal_ones_count_as_clustered_if_one_is(monkeypatch):
    rng, ordered = np.random.default_rng(0), []
    embeddings = rng.normal(size=(120, 8))
    embeddings[60:] = embeddings[:60]
    classes = np.r_[np.full(60, -1), np.arange(60)]

    def counted(rows):
        ordered.append(len(rows))
        return ordered_rows(rows)

    monkeypatch.setattr("hilander.later_rows.ordered_rows", counted)
    clusterer = HiLander().adopt(embeddings, classes)
    assert ordered == [120]
    assert_array_equal(clusterer.labels_, classes)
    assert_array_equal(clusterer.predict(embeddings[:60]), classes[60:])


def test_clusters_may_be_numbered_by_hashes():
    embeddings, classes = blobs(noise=0.15, seed=5)
    hashed = (classes + 1) * (1 << 57)
    assert_array_equal(HiLander().adopt(embeddings[::2], hashed[::2]).predict(embeddings[1::2]), hashed[1::2])


def test_nothing_of_an_earlier_fit_stays_with_clusters_that_are_taken_over():
    embeddings, classes = blobs(noise=0.15, seed=5)
    clusterer = HiLander().fit(embeddings)
    assert 0 < clusterer.linkage_threshold_ < 1
    clusterer.adopt(embeddings[:50], classes[:50])
    assert not {"probabilities_", "peaks_", "levels_"} & vars(clusterer).keys()
    with pytest.raises(ValueError, match="NaN"):
        clusterer.adopt(np.full_like(embeddings, np.nan), classes)
    assert_array_equal(clusterer.labels_, classes[:50])


def test_clusters_that_cannot_be_told_are_refused():
    embeddings, classes = blobs(seed=5)
    with pytest.raises(ValueError, match="number them anew"):
        HiLander().adopt(embeddings, classes.astype(np.uint64) + np.uint64(1 << 63))
    with pytest.raises(ValueError, match="masked"):
        HiLander().adopt(embeddings, np.ma.masked_equal(classes, 3))
    with pytest.raises(ValueError, match="masked"):
        HiLander().fit(embeddings, must_link=np.ma.masked_greater([[0, 1], [0, 70]], 60))
