import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from hilander.batch.stable_ids import _match_exactly, keep_ids, match_by_overlap, match_by_votes, shared_rows

labelings = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 7), min_size=n, max_size=n).map(np.array) for _ in range(2)))
)


def names(n):
    return np.array([f"item {number:03d}" for number in range(n)])


def keep(labels, earlier, next_id=None, **options):
    """Both runs hold the same items."""
    labels, earlier = np.asarray(labels), np.asarray(earlier)
    next_id = int(earlier.max()) + 1 if next_id is None else next_id
    return keep_ids(names(len(labels)), labels, earlier, next_id, np.arange(len(labels)), **options)


def same_partition(a, b):
    return len(np.unique(a)) == len(np.unique(b)) == len(np.unique(np.stack([a, b]), axis=1).T)


@settings(max_examples=40)
@given(labelings)
def test_as_many_items_as_possible_keep_their_cluster(pair):
    labels, earlier = pair
    matched = match_by_overlap(labels, earlier, 8, 8)
    table = np.zeros((8, 8), int)
    np.add.at(table, (labels, earlier), 1)
    best = table[linear_sum_assignment(table, maximize=True)].sum()
    paired = matched >= 0
    assert table[np.flatnonzero(paired), matched[paired]].sum() == best
    assert (table[np.flatnonzero(paired), matched[paired]] > 0).all()
    assert len(np.unique(matched[paired])) == paired.sum()


def test_the_exact_matching_is_reached_where_no_pair_is_certain():
    rng = np.random.default_rng(0)
    for _ in range(20):
        table = rng.integers(5, 8, (6, 6))  # all pairs much alike
        labels, earlier = (np.repeat(axis.ravel(), table.ravel()) for axis in np.indices((6, 6)))
        matched = match_by_overlap(labels, earlier, 6, 6)
        assert table[np.arange(6), matched].sum() == table[linear_sum_assignment(table, maximize=True)].sum()


def test_the_exact_matching_may_leave_clusters_without_a_partner():
    rng = np.random.default_rng(0)
    for _ in range(300):
        table = rng.integers(1, 7, (5, 5)) * (rng.random((5, 5)) < 0.5)
        row, column = np.nonzero(table)
        matched_row, matched_column = _match_exactly(row, column, table[row, column])
        assert len(np.unique(matched_row)) == len(np.unique(matched_column)) == len(matched_row)
        best = table[linear_sum_assignment(table, maximize=True)].sum()
        assert table[matched_row, matched_column].sum() == best


@settings(max_examples=40)
@given(labelings)
def test_the_partition_is_never_changed_and_no_old_id_given_anew(pair):
    labels, earlier = pair
    found = keep(labels, earlier, next_id=20)
    assert same_partition(found.clusters, labels)
    new = np.setdiff1d(found.clusters, earlier)
    assert new.tolist() == list(range(20, found.next_id))


@settings(max_examples=40)
@given(labelings)
def test_the_same_run_again_keeps_every_id(pair):
    _, earlier = pair
    found = keep(np.unique(earlier, return_inverse=True)[1], earlier, next_id=9)
    np.testing.assert_array_equal(found.clusters, earlier)
    assert found.next_id == 9


@settings(max_examples=40)
@given(labelings, st.randoms(use_true_random=False))
def test_numbers_of_labels_and_order_of_rows_make_no_difference(pair, random):
    labels, earlier = pair
    expected = keep(labels, earlier, next_id=20)
    renumbered = np.array(random.sample(range(8), 8))[labels]
    rows = np.array(random.sample(range(len(labels)), len(labels)))
    before = np.array(random.sample(range(len(labels)), len(labels)))
    ids = names(len(labels))
    found = keep_ids(ids[rows], renumbered[rows], earlier[before], 20, shared_rows(ids[rows], ids[before]))
    np.testing.assert_array_equal(found.clusters, expected.clusters[rows])
    assert found.next_id == expected.next_id


def test_the_largest_part_of_a_split_keeps_the_id():
    assert keep([0] * 3 + [1] * 5 + [2] * 2, [7] * 10).clusters.tolist() == [8] * 3 + [7] * 5 + [9] * 2


def test_a_merged_cluster_takes_the_id_of_its_largest_part():
    assert keep([0] * 10, [3] * 4 + [5] * 6).clusters.tolist() == [5] * 10


def test_equal_parts_are_told_apart_by_name():
    assert keep([1, 1, 0, 0], [4, 4, 4, 4]).clusters.tolist() == [4, 4, 5, 5]


def test_ids_of_vanished_clusters_are_never_used_again_in_a_chain():
    rng = np.random.default_rng(0)
    clusters, next_id, used = np.zeros(60, int), 1, {0}
    for _ in range(30):
        found = keep(rng.integers(0, rng.integers(1, 12), 60), clusters, next_id)
        new = set(found.clusters) - set(clusters)
        assert not new & used
        used |= new
        clusters, next_id = found.clusters, found.next_id
    assert used == set(range(next_id))


def test_clusters_of_other_items_are_matched_by_the_models_word():
    earlier = np.array([0, 0, 4, 4, 6])
    labels = np.repeat([0, 1, 2, 3], [4, 40, 3, 2])
    says = np.select([labels == 0, labels == 1, labels == 2], [4, 4, 0], -1)
    asked = []

    def model(rows):
        asked.append(rows)
        return says[rows]

    found = keep_ids(names(49), labels, earlier, 7, np.full(49, -1), model)
    assert found.clusters.tolist() == [7] * 4 + [4] * 40 + [0] * 3 + [8] * 2  # the larger claim to 4 wins
    assert (found.by_items, found.by_model) == (0, 3 - 1)
    assert np.bincount(labels[asked[0]]).max() <= 16
    assert asked[0][labels[asked[0]] == 1].tolist() == list(range(4, 44, 3))  # all over the cluster


def test_the_model_is_asked_only_about_clusters_without_shared_items():
    earlier, labels = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1, 2])
    shared = np.array([0, 1, -1, -1, 2])  # the cluster 0 is shared, so is an item of 1

    def model(rows):
        raise AssertionError("nothing is left to be matched")

    found = keep_ids(names(5), labels, earlier, 2, shared, model)
    assert found.clusters.tolist() == [0, 0, 2, 2, 1]


@pytest.mark.parametrize("named", [[3, 3, -1, -1], [3, 3, 2, 2], [-1] * 4])
def test_half_of_the_votes_is_no_majority(named):
    assert match_by_votes(np.zeros(4, int), np.array(named), np.array([4])).tolist() == [-1]


def test_shared_rows_are_those_of_the_same_id():
    for ours, theirs in itertools.permutations((["a", "bb", "c"], ["c", "x"], ["bb"]), 2):
        expected = [theirs.index(name) if name in theirs else -1 for name in ours]
        assert shared_rows(np.array(ours), np.array(theirs)).tolist() == expected


@settings(max_examples=60)  # pandas takes a second for its first query
@given(st.integers(0, 10_000))
def test_the_models_word_gives_free_ids_alone_and_each_to_its_strongest_claim(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 90), rng.integers(1, 30)
    labels, earlier = rng.integers(0, 6, n), 3 * rng.integers(0, 6, m)
    shared = np.full(n, -1)
    shared[labels < 2] = rng.permutation(m + n)[: (labels < 2).sum()]
    shared[shared >= m] = -1
    favourite = 3 * rng.integers(0, 6, 6)
    says = np.where(rng.random(n) < 0.6, favourite[labels], rng.choice([-1, *earlier], n))
    says[~np.isin(says, earlier)] = -1
    asked = np.zeros(n, bool)

    def model(rows):
        asked[rows] = True
        return says[rows]

    found = keep_ids(names(n), labels, earlier, 100, shared, model)
    assert same_partition(found.clusters, labels)
    told = np.unique(labels[shared >= 0])
    free = np.setdiff1d(earlier, earlier[shared[shared >= 0]])
    claims = {}
    for cluster in np.setdiff1d(labels, told):
        votes = says[asked & (labels == cluster)]
        for number in free:
            if (votes == number).sum() > len(votes) / 2:
                claims[cluster] = number, (votes == number).mean() * (labels == cluster).sum()
    won = {cluster: found.clusters[labels == cluster][0] for cluster in claims}
    for cluster, (number, strength) in claims.items():
        strongest = max(other for claimed, other in claims.values() if claimed == number)
        assert strength == strongest if won[cluster] == number else won[cluster] >= 100
    assert {number for number, _ in claims.values()} == {number for number in won.values() if number < 100}
    assert found.by_model == len({number for number, _ in claims.values()})
