from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilander.hierarchy.average_linkage import average_linkage

N_NODES = 8
PAIRS = np.array(list(combinations(range(N_NODES), 2)))


def slow_average_linkage(matrix, sizes, threshold):
    """Merge the best pair of clusters, one at a time, from all pairs of their members."""
    clusters = [[i] for i in range(len(matrix))]
    while len(clusters) > 1:
        pairs = list(combinations(range(len(clusters)), 2))
        means = [
            np.average(
                matrix[np.ix_(clusters[a], clusters[b])], weights=np.outer(sizes[clusters[a]], sizes[clusters[b]])
            )
            for a, b in pairs
        ]
        best = int(np.argmax(means))
        if means[best] < threshold:
            break
        a, b = pairs[best]
        clusters[a] += clusters.pop(b)
    return {frozenset(cluster) for cluster in clusters}


def as_sets(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@st.composite
def graphs(draw):
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    linkage = rng.random(len(PAIRS)) * (rng.random(len(PAIRS)) < draw(st.sampled_from([0.2, 0.6, 1.0])))
    return linkage, rng.integers(1, 5, N_NODES), draw(st.floats(0.01, 1.0))


@given(graphs())
def test_equals_merging_one_pair_after_the_other(graph):
    linkage, sizes, threshold = graph
    matrix = np.zeros((N_NODES, N_NODES))
    matrix[PAIRS[:, 0], PAIRS[:, 1]] = matrix[PAIRS[:, 1], PAIRS[:, 0]] = linkage
    present = linkage > 0
    labels = average_linkage(PAIRS[present], linkage[present], N_NODES, threshold, sizes)
    assert as_sets(labels) == slow_average_linkage(matrix, sizes, threshold)


def random_graph(n=300, seed=0):
    rng = np.random.default_rng(seed)
    edges = np.unique(np.sort(rng.integers(0, n, (12 * n, 2)), axis=1), axis=0)
    edges = edges[edges[:, 0] < edges[:, 1]]
    return edges, rng.random(len(edges)), n


def test_a_higher_threshold_splits_and_never_mixes():
    edges, linkage, n = random_graph()
    coarse, fine = (average_linkage(edges, linkage, n, threshold) for threshold in (0.1, 0.4))
    assert len(np.unique(fine)) > len(np.unique(coarse))
    assert all(len(np.unique(coarse[fine == label])) == 1 for label in np.unique(fine))


def test_the_order_of_nodes_and_edges_does_not_matter():
    edges, linkage, n = random_graph()
    rng = np.random.default_rng(1)
    new_name, order = rng.permutation(n), rng.permutation(len(edges))
    renamed = average_linkage(new_name[edges][order], linkage[order], n, 0.2)
    assert as_sets(renamed[new_name]) == as_sets(average_linkage(edges, linkage, n, 0.2))


def test_one_strong_edge_does_not_join_two_clusters():
    first, second = list(combinations(range(5), 2)), list(combinations(range(5, 10), 2))
    edges = np.array([*first, *second, (4, 5)])
    labels = average_linkage(edges, np.r_[np.full(20, 0.9), 1.0], 10, 0.9)
    assert len(np.unique(labels)) > 2  # the wrong edge comes first, and is then outvoted
    labels = average_linkage(edges, np.r_[np.full(20, 0.9), 0.8], 10, 0.3)
    assert labels.tolist() == [0] * 5 + [1] * 5


def test_a_mean_that_equals_the_threshold_merges_and_of_equal_ones_the_first_pair():
    path = np.array([(0, 1), (1, 2), (2, 3), (3, 4)])
    assert average_linkage(path, np.full(4, 0.5), 5, 0.5).tolist() == [0, 0, 1, 1, 2]
    assert average_linkage(path[::-1], np.full(4, 0.5), 5, 0.5).tolist() == [0, 0, 1, 1, 2]
    assert average_linkage(path, np.full(4, 0.5), 5, 0.5000001).tolist() == [0, 1, 2, 3, 4]


def test_no_edges_and_bad_threshold():
    none = np.empty((0, 2), np.int64)
    assert average_linkage(none, np.empty(0), 3, 0.5).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="threshold must lie in"):
        average_linkage(none, np.empty(0), 3, 0.0)
