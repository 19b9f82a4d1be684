import weakref

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from hilander import HiLander, clustering, later_rows, train_lander
from hilander.config import PublishedParams, RelationalParams
from hilander.metrics import score
from hilander.models.published import PublishedModel
from hilander.models.similarity import SimilarityModel

QUICK = PublishedParams(hidden_features=32, epochs=10, learning_rate=0.01)


def blobs(n_classes=12, size=12, d=16, noise=0.25, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), size)
    return rng.normal(size=(n_classes, d))[labels] + noise * rng.normal(size=(len(labels), d)), labels


def same_partition(a, b):
    return score(a, b)["f_pairwise"] == 1 == score(a, b)["f_bcubed"]


@pytest.fixture(scope="module")
def published():
    return train_lander(*blobs(60), variant="published", params=QUICK)


@pytest.fixture(scope="module")
def relational():
    params = RelationalParams(n_item_steps=60, n_cluster_steps=40, n_starter_steps=20, core_size=250)
    return train_lander(*blobs(60), variant="hilander", params=params)


@pytest.fixture(params=["untrained", "published", "relational"])
def clusterer(request):
    return HiLander() if request.param == "untrained" else HiLander(request.getfixturevalue(request.param))


@parametrize_with_checks(
    [HiLander()],
    expected_failed_checks=lambda estimator: {
        "check_estimators_dtypes": "rounding its data to integers leaves a zero vector, which has no direction",
    },
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_unseen_classes_are_found_without_their_number(clusterer):
    # The published network learns the classes themselves, of which 60 say little about others; untrained
    # similarity suits blobs by their making. What the methods are worth is measured in benchmarks.
    floor = 0.5 if isinstance(clusterer.model, PublishedModel) else 0.9
    embeddings, labels = blobs(seed=1)
    found = clusterer.fit(embeddings)
    assert score(labels, found.labels_)["f_bcubed"] > floor
    assert found.labels_.shape == found.probabilities_.shape == (len(labels),)
    assert_array_equal(np.unique(found.labels_), np.arange(len(found.peaks_)))
    assert_array_equal(found.labels_[found.peaks_], np.arange(len(found.peaks_)))
    assert ((found.probabilities_ >= 0) & (found.probabilities_ <= 1)).all()
    assert found.levels_[-1].n_clusters == len(found.peaks_)
    assert_array_equal(np.bincount(found.labels_), sorted(np.bincount(found.labels_), reverse=True))


def test_input_in_any_order_gives_the_same_partition(clusterer):
    embeddings, _ = blobs(noise=0.6, seed=2)
    order = np.random.default_rng(0).permutation(len(embeddings))
    straight = clusterer.fit_predict(embeddings)
    assert same_partition(straight[order], clusterer.fit_predict(embeddings[order]))


def test_duplicates_share_a_cluster_and_change_nothing(clusterer):
    embeddings, _ = blobs(noise=0.6, seed=3)
    labels = clusterer.fit_predict(embeddings)
    doubled = clusterer.fit_predict(np.concatenate([embeddings, embeddings, embeddings[:5]]))
    assert_array_equal(doubled[: len(labels)], doubled[len(labels) : 2 * len(labels)])
    assert same_partition(labels, doubled[: len(labels)])


def test_scale_changes_nothing_and_the_same_seed_gives_the_same_labels(clusterer):
    embeddings, _ = blobs(noise=0.6, seed=4)
    labels = clusterer.fit_predict(embeddings)
    assert_array_equal(labels, clusterer.fit_predict(embeddings))
    assert same_partition(labels, clusterer.fit_predict(embeddings * 8))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_rows_than_neighbors(clusterer, n):
    embeddings, _ = blobs()
    assert clusterer.fit_predict(embeddings[:n]).shape == (n,)
    assert clusterer.predict(embeddings[:n]).shape == (n,)


def test_identical_rows_are_one_cluster(clusterer):
    embeddings = np.repeat(blobs()[0][:1], 50, axis=0)
    assert (clusterer.fit_predict(embeddings) == 0).all()
    assert clusterer.peaks_.tolist() == [0]


def test_an_isolated_row_stays_alone():
    embeddings, _ = blobs(3, 20, noise=0.1)
    opposite = -embeddings.mean(axis=0, keepdims=True)
    labels = HiLander().fit_predict(np.concatenate([embeddings, opposite]))
    assert (labels == labels[-1]).sum() == 1


def test_saved_and_loaded_gives_the_same_labels(clusterer, tmp_path):
    embeddings, _ = blobs(noise=0.5, seed=6)
    expected = clone(clusterer).set_params(linkage_threshold=0.4).fit(embeddings)
    expected.save(tmp_path / "model")
    loaded = HiLander.load(tmp_path / "model")
    assert_array_equal(loaded.fit_predict(embeddings), expected.labels_)
    assert loaded.model.settings.linkage_threshold == 0.4


@pytest.mark.parametrize("model", [None, "published"])
def test_a_later_row_is_assigned_alike_whatever_comes_with_it(model, request):
    embeddings, _ = blobs(noise=0.5, seed=8)
    clusterer = HiLander(model and request.getfixturevalue(model)).fit(embeddings[::2])
    together = clusterer.predict(embeddings[1::2])
    assert_array_equal(together[:5], clusterer.predict(embeddings[1:10:2]))


@pytest.mark.parametrize("value", [None, 5, np.float32(3)])
def test_what_is_no_matrix_is_told(value):
    with pytest.raises((ValueError, TypeError), match="embeddings must"):
        HiLander().fit(value)


def test_any_largest_size_will_do():
    embeddings, _ = blobs(seed=5)
    assert_array_equal(HiLander(max_cluster_size=10**30).fit(embeddings).labels_, HiLander().fit(embeddings).labels_)


def test_pairs_that_are_none_leave_a_fitted_estimator_as_it_was():
    embeddings, _ = blobs(seed=5)
    clusterer = HiLander().fit(embeddings[:, :5])
    before = clusterer.predict(embeddings[:3, :5])
    with pytest.raises(ValueError, match="numbered from 0"):
        clusterer.fit(embeddings, must_link=[[0, len(embeddings)]])
    assert_array_equal(clusterer.predict(embeddings[:3, :5]), before)


def test_the_threshold_goes_from_coarse_to_fine():
    embeddings, _ = blobs(noise=0.8, seed=7)
    clusters = [len(HiLander(linkage_threshold=t).fit(embeddings).peaks_) for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert clusters == sorted(clusters)
    assert clusters[0] < clusters[-1]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"linkage_threshold": 2}, "within"),
        ({"linkage_threshold": "adaptive"}, "'adapted'"),
        ({"whitening": 1.5}, "within"),
        ({"n_neighbors": 0}, "n_neighbors must be a whole number from 1, got 0"),
        ({"n_neighbors": 2.5}, "n_neighbors must be a whole number from 1, got 2.5"),
        ({"max_levels": True}, "max_levels must be a whole number from 1, got True"),
        ({"max_cluster_size": True}, "max_cluster_size must be a whole number"),
        ({"granularity": "2"}, "granularity must be above 0"),
        ({"granularity": None}, "granularity must be above 0"),
        ({"linkage_threshold": True}, "within"),
        ({"linkage_threshold": np.ones(3)}, "within"),
        ({"whitening": True}, "within"),
        ({"decode": ["tree"]}, "tree, average_linkage"),
        ({"outliers": np.ones(3)}, "outliers must be one of"),
        ({"random_state": None}, "random_state must be a whole number"),
        ({"random_state": np.random.RandomState(0)}, "random_state must be a whole number"),
        ({"random_state": -1}, "random_state must be a whole number"),
        ({"decode": "magic"}, "tree, average_linkage"),
        ({"model": "models/faces"}, r"HiLander\.load"),
    ],
)
def test_bad_parameters_get_a_sentence(parameters, message):
    with pytest.raises(ValueError, match=message):
        HiLander(**parameters).fit(blobs()[0])


def test_the_relational_model_takes_any_width(relational):
    embeddings, labels = blobs(d=40, seed=9)
    assert score(labels, HiLander(relational).fit_predict(embeddings))["f_bcubed"] > 0.9


def test_a_column_of_lists_has_a_width():
    embeddings, _ = blobs()
    column = pd.DataFrame({"embedding": list(embeddings)})["embedding"]
    fitted = HiLander().fit(column)
    assert fitted.n_features_in_ == 16
    for clusterer in (fitted, HiLander().fit(embeddings), HiLander().adopt(column, fitted.labels_)):
        assert_array_equal(clusterer.predict(column), fitted.labels_)
        with pytest.raises(ValueError, match="X has 5 features, but HiLander is expecting 16"):
            clusterer.predict(embeddings[:, :5])


def test_another_width_than_the_model_says_both(published):
    with pytest.raises(ValueError, match=r"\(n, 16\) to match the model; got \(144, 8\)"):
        HiLander(published).fit(blobs(d=8)[0])


@pytest.mark.parametrize("variant", ["hilander", "similarity"])
def test_progress_tells_of_neighbours_linkage_and_levels(variant, capsys):
    embeddings = np.random.default_rng(0).normal(size=(200, 8))
    HiLander(None if variant == "hilander" else SimilarityModel(), show_progress=True).fit(embeddings)
    shown = capsys.readouterr().err
    assert "neighbors" in shown
    assert "levels" in shown
    assert ("linkage" in shown) == (variant == "hilander")


def test_the_checked_copy_of_the_input_is_freed_before_its_rows_are_clustered(monkeypatch):
    copies = []

    def check(*arguments, **parameters):
        checked = check_embeddings(*arguments, **parameters)
        copies.append(weakref.ref(checked))
        return checked

    def cluster(*arguments, **parameters):
        assert [copy() for copy in copies] == [None]
        return cluster_nodes(*arguments, **parameters)

    check_embeddings, cluster_nodes = later_rows.check_embeddings, clustering.cluster_nodes
    monkeypatch.setattr(later_rows, "check_embeddings", check)
    monkeypatch.setattr(clustering, "cluster_nodes", cluster)
    HiLander().fit(blobs()[0])
    assert len(copies) == 1


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_numbers_of_any_precision_will_do(kind, tmp_path):
    embeddings, _ = blobs(noise=0.6, seed=2)
    plain = HiLander(linkage_threshold=0.25, granularity=2.0, whitening=0.5, n_neighbors=20).fit(embeddings)
    numbers = {"linkage_threshold": kind(0.25), "whitening": kind(0.5), "n_neighbors": np.int8(20)}
    given = HiLander(**numbers, granularity=kind(2), max_levels=np.int64(10)).fit(embeddings)
    assert_array_equal(given.labels_, plain.labels_)
    assert given.linkage_threshold_ == plain.linkage_threshold_
    assert type(given.linkage_threshold_) is float
    saved = HiLander.load(given.save(tmp_path / "model")).model.settings
    assert (saved.linkage_threshold, saved.n_neighbors, saved.whitening) == (0.25, 20, 0.5)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was(monkeypatch):
    embeddings, classes = blobs(seed=5)
    clusterer = HiLander().fit(embeddings)
    before = clusterer.predict(embeddings[:3])
    with pytest.raises(ValueError, match="take one of the two out"):
        clusterer.fit(embeddings[:, :5], must_link=[[0, 1]], cannot_link=[[0, 1]])
    assert_array_equal(clusterer.predict(embeddings[:3]), before)
    with pytest.raises(ValueError, match="one per embedding"):
        clusterer.adopt(embeddings[:, :5], classes[:3])
    assert_array_equal(clusterer.predict(embeddings[:3]), before)

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("hilander.later_rows.Assigner", interrupted)
    with pytest.raises(KeyboardInterrupt):
        clusterer.fit(embeddings[:30, :5])
    assert len(clusterer.labels_) == len(embeddings)
    assert_array_equal(clusterer.predict(embeddings[:3]), before)
