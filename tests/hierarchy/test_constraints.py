"""Constrained decoding against plain Python, on random graphs."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilander.hierarchy.average_linkage import average_linkage
from hilander.hierarchy.constrained_rows import check_pairs, constrained_rows
from hilander.hierarchy.constrained_tree import constrained_tree
from hilander.hierarchy.constraints import Constraints
from hilander.hierarchy.decode import Links, find_roots, tree_parents

N = 8
PAIRS = np.array(list(combinations(range(N), 2)))
NONE = np.empty((0, 2), np.int64)


def as_sets(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def may_merge(first, second, forbidden, counts, most):
    apart = any((i in first and j in second) or (j in first and i in second) for i, j in forbidden)
    return not apart and sum(counts[i] for i in first | second) <= most


@st.composite
def problems(draw):
    """A random graph with groups, forbidden pairs and a largest size that do not contradict each other."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    counts = rng.integers(1, 4, N)
    groups = np.arange(N)
    for i, j in PAIRS[rng.choice(len(PAIRS), draw(st.integers(0, 3)), replace=False)]:
        groups[groups == groups[j]] = groups[i]
    groups = np.array([np.flatnonzero(groups == group)[0] for group in groups])
    forbidden = PAIRS[rng.choice(len(PAIRS), draw(st.integers(0, 8)), replace=False)]
    forbidden = forbidden[groups[forbidden[:, 0]] != groups[forbidden[:, 1]]]
    most = max(int(np.bincount(groups, counts).max()), draw(st.integers(2, 30)))
    linkage = rng.random(len(PAIRS)) * (rng.random(len(PAIRS)) < draw(st.sampled_from([0.3, 1.0])))
    return Constraints(groups, forbidden, counts, most), linkage, rng, draw(st.floats(0.01, 0.9))


@given(problems())
def test_average_linkage_equals_merging_the_best_pair_that_may_merge(problem):
    constraints, linkage, rng, threshold = problem
    sizes = rng.integers(1, 5, N)
    matrix = np.zeros((N, N))
    matrix[PAIRS[:, 0], PAIRS[:, 1]] = matrix[PAIRS[:, 1], PAIRS[:, 0]] = linkage
    clusters = [frozenset(np.flatnonzero(constraints.groups == group)) for group in np.unique(constraints.groups)]
    while True:
        means = {
            (a, b): np.average(matrix[np.ix_(list(a), list(b))], weights=np.outer(sizes[list(a)], sizes[list(b)]))
            for a, b in combinations(clusters, 2)
            if may_merge(a, b, constraints.forbidden, constraints.counts, constraints.max_count)
        }
        if not means or max(means.values()) < threshold:
            break
        a, b = max(means, key=means.__getitem__)
        clusters = [cluster for cluster in clusters if cluster not in (a, b)] + [a | b]

    kept = linkage > 0
    labels = average_linkage(PAIRS[kept], linkage[kept], N, threshold, sizes, constraints)

    assert as_sets(labels) == {frozenset(map(int, cluster)) for cluster in clusters}


def test_links_of_a_group_count_that_lead_where_its_other_nodes_have_likelier_ones():
    pair = Constraints(np.array([0, 0, 2]), NONE, np.ones(3, np.int64), 3)
    edges, linkage = np.array([[0, 2], [1, 2]]), np.array([0.9, 0.4])  # .65 in the mean, of which .4 is too little
    assert average_linkage(edges, linkage, 3, 0.6, None, pair).tolist() == [0, 0, 0]
    assert average_linkage(edges, linkage, 3, 0.7, None, pair).tolist() == [0, 0, 1]


def random_links(linkage, rng, pairs=PAIRS):
    flip = rng.random(len(pairs)) < 0.5
    source, target = np.where(flip, pairs[:, 1], pairs[:, 0]), np.where(flip, pairs[:, 0], pairs[:, 1])
    return Links(source, target, linkage.astype(np.float32), rng.integers(0, 4, pairs.max() + 1).astype(np.float32))


def slow_tree(links, threshold, constraints):
    """Go through the edges, the likeliest first, and look through all forbidden pairs for each."""
    groups = constraints.groups
    cluster_of = {i: frozenset(np.flatnonzero(groups == groups[i]).tolist()) for i in range(len(groups))}
    placed = set()
    for e in np.lexsort((links.target, links.source, -links.linkage)):
        i, j = int(links.source[e]), int(links.target[e])
        falls = (links.density[i], -i) > (links.density[j], -j)
        if links.linkage[e] <= threshold or not falls or j in placed:
            continue
        a, b = cluster_of[i], cluster_of[j]
        if a != b and not may_merge(a, b, constraints.forbidden, constraints.counts, constraints.max_count):
            continue
        placed.add(j)
        for node in a | b:
            cluster_of[node] = a | b
    return set(cluster_of.values())


@given(problems())
def test_a_tree_takes_the_likeliest_edges_that_may_be_taken(problem):
    constraints, linkage, rng, threshold = problem
    links = random_links(linkage, rng)
    assert as_sets(constrained_tree(links, threshold, constraints)) == slow_tree(links, threshold, constraints)


@pytest.mark.parametrize("seed", range(30))
def test_large_trees_keep_to_what_each_of_their_nodes_may_not_join(seed):
    rng = np.random.default_rng(seed)
    pairs = np.array(list(combinations(range(40), 2)))
    groups = np.arange(40) - (np.arange(40) % 2) * (rng.random(40) < 0.5)  # some are one with the node before
    forbidden = pairs[rng.choice(len(pairs), rng.integers(10, 80), replace=False)]
    forbidden = forbidden[groups[forbidden[:, 0]] != groups[forbidden[:, 1]]]
    constraints = Constraints(groups, forbidden, np.ones(40, np.int64), int(rng.integers(4, 40)))
    linked = pairs[rng.random(len(pairs)) < 0.5]
    links = random_links(rng.integers(1, 9, len(linked)) / 8, rng, linked)  # many are equally likely
    assert as_sets(constrained_tree(links, 0.1, constraints)) == slow_tree(links, 0.1, constraints)


def test_a_parent_within_the_own_group_is_a_parent_however_full_the_cluster():
    pair = Constraints(np.array([0, 0, 2]), NONE, np.ones(3, np.int64), 3)
    density = np.array([2, 1, 2], np.float32)
    links = Links(np.array([0, 2]), np.array([1, 1]), np.array([0.9, 0.8], np.float32), density)
    assert constrained_tree(links, 0.5, pair).tolist() == [0, 0, 1]


@given(problems())
def test_constraints_that_bind_nothing_change_nothing(problem):
    _, linkage, rng, threshold = problem
    free = Constraints(np.arange(N), NONE, np.ones(N, np.int64), N)
    links = random_links(linkage, rng)
    assert as_sets(constrained_tree(links, threshold, free)) == as_sets(find_roots(tree_parents(links, threshold)))
    kept = linkage > 0
    expected = average_linkage(PAIRS[kept], linkage[kept], N, threshold)
    np.testing.assert_array_equal(average_linkage(PAIRS[kept], linkage[kept], N, threshold, None, free), expected)


def test_equal_rows_are_one_node_unless_they_have_to_part():
    distinct = np.array([0, 0, 0, 1, 1, 2])
    first, inverse, _ = constrained_rows(distinct, NONE, NONE)
    assert (first.tolist(), inverse.tolist()) == ([0, 3, 5], distinct.tolist())
    first, inverse, held = constrained_rows(distinct, np.array([[0, 5], [3, 5]]), np.array([[1, 3]]))
    assert inverse[1] != inverse[0]  # 0 goes with 3 by way of 5
    assert inverse[2] not in inverse[:2]
    assert held.groups[inverse[0]] == held.groups[inverse[3]] == held.groups[inverse[5]]
    _, inverse, held = constrained_rows(distinct, NONE, NONE, 2)
    assert inverse[0] == inverse[1] != inverse[2]
    assert held.counts.tolist() == [2, 1, 2, 1]
    _, inverse, _ = constrained_rows(np.array([1, 1, 1, 0, 0, 0]), NONE, NONE, 2)
    assert as_sets(inverse) == {frozenset(rows) for rows in ([0, 1], [2], [3, 4], [5])}
    _, inverse, _ = constrained_rows(np.array([0, 0, 1]), NONE, np.array([[0, 2]]), 2)
    assert as_sets(inverse) == {frozenset([0, 1]), frozenset([2])}  # as many as a cluster may hold


def components(pairs, n):
    found = np.arange(n)
    for i, j in pairs:
        found[found == found[j]] = found[i]
    return found


def slow_rows(distinct, must, cannot, most):
    """Node and group of each row, as what they have in common; None where the pairs contradict each other."""
    n = len(distinct)
    equal = [(i, j) for i, j in combinations(range(n), 2) if distinct[i] == distinct[j]]
    linked, glued = components(must, n), components([*must, *equal], n)
    if np.bincount(linked).max() > most or any(linked[i] == linked[j] for i, j in cannot):
        return None
    groups, paired, free = [], {row for pair in [*must, *cannot] for row in pair}, {}
    for row in range(n):
        torn = (glued == glued[row]).sum() > most or any(glued[i] == glued[j] == glued[row] for i, j in cannot)
        if not torn:
            groups.append(("glued", glued[row]))
        elif row in paired:
            groups.append(("linked", linked[row]))
        else:
            before = free.setdefault(distinct[row], [])
            groups.append(("free", distinct[row], len(before) // most))
            before.append(row)
    return [(value, *group) for value, group in zip(distinct, groups, strict=True)], groups


@settings(max_examples=300)
@given(st.integers(0, 100_000))
def test_nodes_and_groups_of_rows_are_those_of_plain_python(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 14))
    distinct = np.unique(rng.integers(n, size=n) // rng.integers(1, 4), return_inverse=True)[1]
    must, cannot = (rng.integers(n, size=(rng.integers(0, 4), 2)) for _ in range(2))
    most = None if seed % 3 == 0 else int(rng.integers(1, n + 2))
    expected = slow_rows(distinct.tolist(), must.tolist(), cannot.tolist(), min(most or n, n))
    if expected is None:
        with pytest.raises(ValueError, match=r"must_link joins|names one row twice"):
            constrained_rows(distinct, must, cannot, most)
        return
    first, inverse, held = constrained_rows(distinct, must, cannot, most)
    nodes, groups = (np.array([each.index(value) for value in each]) for each in expected)
    np.testing.assert_array_equal(first[inverse], nodes)
    np.testing.assert_array_equal(np.diff(distinct[first]) >= 0, True)
    assert as_sets(held.groups[inverse]) == as_sets(groups)
    np.testing.assert_array_equal(held.groups[held.groups], held.groups)
    assert (held.groups <= np.arange(len(first))).all()
    np.testing.assert_array_equal(held.forbidden, inverse[cannot])
    np.testing.assert_array_equal(held.counts, np.bincount(inverse))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[0, 9]], r"the pair \(0, 9\), but the rows are numbered from 0 to 4"),
        ([[-1, 2]], r"\(-1, 2\)"),
        ([[0, 1, 2]], r"shape \(1, 3\)"),
        ([0, 1], r"shape \(2,\)"),
        ([[0], [1, 2]], "different lengths"),
        ([[0.5, 1]], "integers; got float64"),
        ([[True, False]], "integers; got bool"),
        ([["a", "b"]], "integers"),
    ],
)
def test_what_are_no_pairs_of_rows_gets_a_sentence(pairs, message):
    with pytest.raises(ValueError, match=message):
        check_pairs(pairs, 5, name="must_link")


def test_no_pairs_in_any_spelling():
    for nothing in (None, [], np.empty((0, 2))):
        assert check_pairs(nothing, 5, name="must_link").shape == (0, 2)
