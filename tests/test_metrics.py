import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from hilander.metrics import contingency, one_nn_accuracy, score

SCORES = ("f_pairwise", "f_bcubed", "nmi", "ari", "acc")


@st.composite
def labellings(draw):
    n = draw(st.integers(1, 30))
    labels = st.lists(st.integers(0, draw(st.integers(0, 10))), min_size=n, max_size=n)
    return np.array(draw(labels)), np.array(draw(labels))


def slow_scores(true, pred):
    """Every pair and every item in plain Python."""
    pairs = list(itertools.combinations(range(len(true)), 2))
    claimed = [pair for pair in pairs if pred[pair[0]] == pred[pair[1]]]
    same = [pair for pair in pairs if true[pair[0]] == true[pair[1]]]
    both = len(set(claimed) & set(same))
    precision, recall = [], []
    for i in range(len(true)):
        cluster = [j for j in range(len(true)) if pred[j] == pred[i]]
        members = [j for j in range(len(true)) if true[j] == true[i]]
        shared = len(set(cluster) & set(members))
        precision.append(shared / len(cluster))
        recall.append(shared / len(members))
    p, r = np.mean(precision), np.mean(recall)
    table = np.array([[np.sum((true == c) & (pred == k)) for k in np.unique(pred)] for c in np.unique(true)])
    rows, columns = linear_sum_assignment(-table)
    return {
        "precision_pairwise": both / len(claimed) if claimed else 1.0,
        "recall_pairwise": both / len(same) if same else 1.0,
        "f_pairwise": 2 * both / (len(claimed) + len(same)) if claimed or same else 1.0,
        "precision_bcubed": p,
        "recall_bcubed": r,
        "f_bcubed": 2 * p * r / (p + r),
        "nmi": normalized_mutual_info_score(true, pred),
        "ari": adjusted_rand_score(true, pred),
        "acc": table[rows, columns].sum() / len(true),
        "clusters": len(np.unique(pred)),
    }


@given(labellings())
def test_scores_equal_the_slow_truth(labels):
    assert score(*labels) == pytest.approx(slow_scores(*labels), abs=1e-9)


@given(labellings(), st.randoms(use_true_random=False))
def test_order_and_names_do_not_matter(labels, random):
    true, pred = labels
    order = list(range(len(true)))
    random.shuffle(order)
    renamed = np.array([f"class {label}" for label in true])[order], 100 - 7 * pred[order]
    assert score(*renamed) == pytest.approx(score(true, pred), abs=1e-9)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], ["a", "b", "a"], [3]])
def test_perfect_agreement_is_one(labels):
    scores = score(labels, labels)
    assert [scores[name] for name in SCORES] == pytest.approx([1.0] * 5)


def test_noise_counts_as_clusters_of_one():
    assert score([0, 0, 1, 1], [-1, -1, 4, 4]) == score([0, 0, 1, 1], [0, 1, 4, 4])
    assert score([0, 0, 1, 1], np.array([-1, -1, 4, 4], object)) == score([0, 0, 1, 1], [0, 1, 4, 4])
    assert score([0, 0, 1, 1], [-1, -1, 4, 4], noise=None)["f_pairwise"] == 1


@pytest.mark.parametrize(
    "clusters",
    [
        ["-1", "-1", "cat", "cat"],  # renamed by hand, those of no cluster as they were
        np.array([b"-1", b"-1", b"4", b"4"]),
        np.array(["-1", -1, "cat", "cat"], object),
        np.array([-1.0, -1, 4, 4], object),
    ],
)
def test_noise_is_noise_where_labels_are_text(clusters):
    classes = [0, 0, 1, 1]
    assert score(classes, clusters) == score(classes, [-1, -1, 4, 4])


def test_text_that_is_not_the_noise_label_is_an_ordinary_cluster():
    assert score([0, 0, 1, 1], ["-10", "-10", "1", "1"])["f_pairwise"] == 1
    assert score([0, 0, 1, 1], ["-1", "-1", "1", "1"], noise=None)["f_pairwise"] == 1


@pytest.mark.parametrize("kind", [">i4", ">i8", ">f8", ">U2"])
def test_labels_of_another_byte_order_are_scored(kind):
    scores = score(np.array([1, 1, 2, 2], kind), np.array([-1, -1, 0, 0], kind))
    assert scores["clusters"] == 3


def test_surplus_clusters_count_as_errors():
    assert score([0, 0, 0, 0], [0, 0, 1, 2])["acc"] == 0.5


def test_accuracy_is_optimal_where_greed_is_not():
    true = np.repeat([0, 0, 1], [5, 4, 4])
    pred = np.repeat([0, 1, 0], [5, 4, 4])
    assert score(true, pred)["acc"] == pytest.approx(8 / 13)  # taking the largest cell first would give 5


def test_many_items_do_not_overflow():
    n = 400_000  # n² is beyond 32 bits, the product of pair counts beyond 64
    scores = score(np.zeros(n, np.int32), np.arange(n, dtype=np.int32) % 2)
    assert scores["recall_pairwise"] == pytest.approx(0.5, abs=1e-5)
    assert scores["precision_pairwise"] == 1
    assert scores["ari"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        ([], [], "at least one item"),
        ([0, 1], [0], "2 and 1"),
        ([[0, 1]], [[0, 1]], r"shape \(n,\)"),
        ([0.0, float("nan")], [0, 1], "missing values"),
        (["a", None], [0, 1], "missing values"),
        (["a", ""], [0, 1], "missing values"),
        (["a", float("nan")], [0, 1], "missing values"),
        (np.array(["a", ""], object), [0, 1], "missing values"),
        (np.ma.masked_equal([0, 1], 1), [0, 1], "missing values"),
        ([0, 1], np.ma.masked_equal([0, 1], 1), "missing values"),
    ],
)
def test_bad_labels_are_refused(true, pred, message):
    with pytest.raises(ValueError, match=message):
        contingency(true, pred)


def test_one_nn_accuracy_is_that_of_a_full_comparison(monkeypatch):
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(60, 5)), rng.integers(0, 4, 60)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    similarities = unit @ unit.T - 3 * np.eye(60)
    expected = np.mean(labels[similarities.argmax(axis=1)] == labels)
    monkeypatch.setattr("hilander.metrics._SIMILARITIES_PER_CHUNK", 60 * 7)  # several chunks, the last one short
    assert one_nn_accuracy(embeddings, labels) == pytest.approx(expected)
