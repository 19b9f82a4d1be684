"""Pairs, largest sizes, outliers and granularity, through every decode and every kind of model."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hilander import HiLander
from hilander.graph.relational_graph import EDGE_FEATURES
from hilander.metrics import score
from hilander.models.clustering_model import ClusteringSettings
from hilander.models.published import PublishedModel
from hilander.models.relational import RelationalLanders, RelationalModel
from hilander.nn.lander import Lander
from hilander.nn.relational_lander import RelationalLander
from hilander.training.relational import SETTINGS

WIDTH = 8


def blobs(n_classes=12, size=10, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), size)
    return rng.normal(size=(n_classes, WIDTH))[labels] + 0.3 * rng.normal(size=(len(labels), WIDTH)), labels


def published():
    arguments = {"n_features": 2 * WIDTH, "hidden_features": 16}
    return PublishedModel(ClusteringSettings(), WIDTH, lander=Lander(**arguments).eval(), lander_arguments=arguments)


def relational():
    networks = (RelationalLander(len(EDGE_FEATURES), hidden=8, width=16) for _ in range(2))
    return RelationalModel(SETTINGS, landers=RelationalLanders(*networks))


@pytest.fixture(params=["similarity", "published", "relational"])
def model(request):
    return {"similarity": lambda: None, "published": published, "relational": relational}[request.param]()


@pytest.fixture(params=["tree", "average_linkage"])
def decode(request):
    return request.param


def constraints(n, seed):
    """Random pairs that do not contradict each other."""
    rng = np.random.default_rng(seed)
    half = n // 2
    must = np.stack([rng.integers(0, half, 25), rng.integers(0, half, 25)], axis=1) * 2  # even rows alone
    cannot = np.stack([rng.integers(0, half, 40) * 2, rng.integers(0, half, 40) * 2 + 1], axis=1)
    odd = rng.choice(half, (10, 2), replace=False) * 2 + 1
    return must, np.concatenate([cannot, odd])


def test_pairs_and_size_are_kept_on_every_level(model, decode):
    embeddings, _ = blobs()
    embeddings = np.concatenate([embeddings, embeddings[:30]])  # with equal rows
    must, cannot = constraints(len(embeddings), seed=1)
    clusterer = HiLander(model, decode=decode, linkage_threshold=0.3, max_cluster_size=40)

    labels = clusterer.fit_predict(embeddings, must_link=must, cannot_link=cannot)

    for found in [labels, *(level.labels for level in clusterer.levels_)]:
        assert_array_equal(found[must[:, 0]], found[must[:, 1]])
        assert (found[cannot[:, 0]] != found[cannot[:, 1]]).all()
        assert np.bincount(found).max() <= 40


def test_the_order_of_rows_and_pairs_does_not_matter(model, decode):
    embeddings, _ = blobs(seed=2)
    must, cannot = constraints(len(embeddings), seed=3)
    clusterer = HiLander(model, decode=decode, linkage_threshold=0.3, max_cluster_size=40)
    straight = clusterer.fit_predict(embeddings, must_link=must, cannot_link=cannot)
    order = np.random.default_rng(0).permutation(len(embeddings))
    place = np.argsort(order)
    other = clusterer.fit_predict(
        embeddings[order], must_link=place[must][::-1, ::-1], cannot_link=place[cannot][::-1, ::-1]
    )
    assert score(straight[order], other)["f_pairwise"] == 1 == score(straight[order], other)["f_bcubed"]


def test_what_binds_nothing_changes_nothing(model, decode):
    embeddings, _ = blobs(seed=4)
    embeddings = np.concatenate([embeddings, embeddings[:9]])
    free = HiLander(model, decode=decode).fit(embeddings)
    bound = HiLander(model, decode=decode, max_cluster_size=len(embeddings), granularity=1.0)
    bound.fit(embeddings, must_link=[[3, 3]], cannot_link=np.empty((0, 2), np.int64))
    assert_array_equal(free.labels_, bound.labels_)
    assert_array_equal(free.probabilities_, bound.probabilities_)
    assert_array_equal(free.peaks_, bound.peaks_)


def test_equal_rows_part_where_they_must(decode):
    embeddings = np.repeat(blobs()[0][:1], 7, axis=0)
    clusterer = HiLander(decode=decode)
    labels = clusterer.fit_predict(embeddings, cannot_link=[[0, 1], [1, 2], [0, 2]])
    assert len(set(labels[:3])) == 3
    labels = clusterer.fit_predict(embeddings, must_link=[[0, 3]], cannot_link=[[0, 1]])
    assert labels[0] == labels[3] != labels[1]
    assert np.bincount(HiLander(decode=decode, max_cluster_size=3).fit_predict(embeddings)).tolist() == [3, 3, 1]


@pytest.mark.parametrize(
    ("size", "pairs", "message"),
    [
        (None, {"must_link": [[0, 1], [1, 2]], "cannot_link": [[2, 0]]}, r"pair \(2, 0\), but must_link joins"),
        (None, {"cannot_link": [[4, 4]]}, r"pair \(4, 4\), which names one row twice"),
        (None, {"must_link": [[0, 500]]}, r"pair \(0, 500\), but the rows are numbered from 0 to 119"),
        (2, {"must_link": [[0, 1], [1, 2]]}, "joins 3 rows, among them row 0, but max_cluster_size is 2"),
    ],
)
def test_contradictions_are_named(size, pairs, message):
    with pytest.raises(ValueError, match=message):
        HiLander(max_cluster_size=size).fit(blobs()[0], **pairs)


def test_granularity_goes_from_coarse_to_fine(decode):
    embeddings, _ = blobs(seed=7)
    counts = [
        HiLander(granularity=g, decode=decode, max_levels=1).fit(embeddings).labels_ for g in (0.1, 0.3, 1, 3, 10, 1e6)
    ]
    for coarse, fine in pairwise(counts):
        assert all(len(np.unique(coarse[fine == label])) == 1 for label in np.unique(fine))
    assert counts[0].max() < counts[-1].max() == len(embeddings) - 1
    many = [HiLander(granularity=g, decode=decode).fit(embeddings).labels_.max() for g in (0.1, 0.3, 1, 3, 10, 1e6)]
    assert many == sorted(many)


def test_outliers_are_kept_or_labelled():
    embeddings, _ = blobs(3, 20, seed=8)
    embeddings = np.concatenate([embeddings, -embeddings.mean(axis=0, keepdims=True)])
    kept = HiLander().fit(embeddings)
    clusterer = HiLander(outliers="label").fit(embeddings)
    alone = np.bincount(kept.labels_)[kept.labels_] == 1
    assert alone[-1]
    assert_array_equal(clusterer.labels_, np.where(alone, -1, kept.labels_))
    assert_array_equal(clusterer.labels_[clusterer.peaks_], np.arange(len(clusterer.peaks_)))
    assert_array_equal(clusterer.levels_[-1].labels[~alone] >= 0, True)
    assert clusterer.predict(embeddings[-1:]).tolist() == [-1]  # what is like an outlier is of no cluster either
    assert HiLander(outliers="label", max_cluster_size=1).fit(embeddings).predict(embeddings[:2]).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"granularity": 0}, "granularity must be above 0"),
        ({"granularity": np.nan}, "granularity must be above 0"),
        ({"max_cluster_size": 0}, "whole number of rows from 1"),
        ({"max_cluster_size": 2.5}, "whole number of rows from 1"),
        ({"outliers": "drop"}, "keep, label"),
    ],
)
def test_bad_parameters_get_a_sentence(parameters, message):
    with pytest.raises(ValueError, match=message):
        HiLander(**parameters).fit(blobs()[0])
