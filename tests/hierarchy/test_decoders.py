import numpy as np
import pytest

from hilander.hierarchy.decode import Links, find_roots, tree_parents
from hilander.hierarchy.decoders import get_decoder
from tests.hierarchy.test_average_linkage import N_NODES, PAIRS, as_sets, slow_average_linkage


def random_links(rng):
    """Links of which some stand in both directions; and the mean linkage of each pair as a symmetric matrix."""
    ends = np.concatenate([PAIRS, PAIRS[:, ::-1]])
    ends = rng.permutation(ends)[: rng.integers(1, len(ends))]
    linkage = rng.random(len(ends)).astype(np.float32)
    total, count = np.zeros((N_NODES, N_NODES)), np.zeros((N_NODES, N_NODES))
    np.add.at(total, tuple(ends.T), linkage)
    np.add.at(count, tuple(ends.T), 1)
    matrix = (total + total.T) / np.maximum(count + count.T, 1)
    return Links(*ends.T, linkage, rng.integers(0, 4, N_NODES).astype(np.float32)), matrix


@pytest.mark.parametrize("seed", range(60))
def test_average_linkage_takes_the_mean_of_both_directions_and_weighs_nodes_by_their_items(seed):
    rng = np.random.default_rng(seed)
    links, matrix = random_links(rng)
    sizes, threshold = rng.integers(1, 5, N_NODES), rng.uniform(0.05, 0.6)
    parents = get_decoder("average_linkage")(links, threshold, sizes, None)
    clusters = slow_average_linkage(matrix, sizes, threshold)
    assert as_sets(find_roots(parents)) == clusters
    for cluster in map(sorted, clusters):
        assert set(parents[cluster]) == {max(cluster, key=lambda node: (links.density[node], -node))}


def test_a_threshold_of_zero_joins_what_has_any_evidence():
    links = Links(np.array([0, 2]), np.array([1, 3]), np.array([1e-6, 0], np.float32), np.zeros(4, np.float32))
    assert get_decoder("average_linkage")(links, 0.0, np.ones(4, np.int64), None).tolist() == [0, 0, 2, 3]


def test_a_tree_does_not_look_at_sizes():
    links, _ = random_links(np.random.default_rng(0))
    found = get_decoder("tree")(links, 0.3, np.arange(1, N_NODES + 1), None)
    np.testing.assert_array_equal(found, tree_parents(links, 0.3))


def test_an_unknown_decoder_is_named():
    with pytest.raises(ValueError, match="decode must be one of tree, average_linkage; got 'dbscan'"):
        get_decoder("dbscan")
