import math

import numpy as np
import pytest

from hilander import HiLander
from hilander.hierarchy.decode import Links
from hilander.membership import membership_probabilities
from hilander.metrics import score


def links_of(source, target, linkage, n):
    return Links(np.array(source), np.array(target), np.array(linkage, np.float32), np.zeros(n, np.float32))


def test_probability_is_the_mean_linkage_within_the_cluster():
    links = links_of([0, 1, 2, 2], [1, 2, 0, 3], [0.8, 0.6, 1.0, 0.3], 4)
    found = membership_probabilities(links, np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(found, [0.9, 0.7, 0.8, 0.7], atol=1e-6)


def test_items_of_one_node_are_surely_of_one_class():
    links = links_of([0, 0], [1, 2], [0.4, 0.1], 3)
    found = membership_probabilities(links, np.array([0, 0, 1]), np.array([3, 1, 2]))
    np.testing.assert_allclose(found, [(2 + 0.4) / 3, 0.4, 1], atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_probabilities_are_those_of_plain_python(seed):
    rng = np.random.default_rng(seed)
    n, m = 40, 150
    links = links_of(rng.integers(0, n, m), rng.integers(0, n, m), rng.random(m), n)
    kept = links.source != links.target
    links = Links(links.source[kept], links.target[kept], links.linkage[kept], links.density)
    members, sizes = rng.integers(0, 30, n), rng.integers(1, 3, n)
    expected = []
    for i in range(n):
        own = [(links.target[e], links.linkage[e]) for e in np.flatnonzero(links.source == i)]
        own += [(links.source[e], links.linkage[e]) for e in np.flatnonzero(links.target == i)]
        mates = [(1.0, sizes[i] - 1)] + [(p, sizes[j]) for j, p in own if members[j] == members[i]]
        if sum(size for _, size in mates):
            expected.append(sum(p * size for p, size in mates) / sum(size for _, size in mates))
        else:
            clusters = {members[j] for j, _ in own}
            expected.append(math.prod(1 - max(p for j, p in own if members[j] == c) for c in clusters))
    np.testing.assert_allclose(membership_probabilities(links, members, sizes), expected, atol=1e-6)


def test_equal_rows_count_as_mates_and_leave_what_others_have_alone():
    rng = np.random.default_rng(0)
    embeddings = np.eye(12)[np.repeat(np.arange(12), 8)] + 0.1 * rng.normal(size=(96, 12))
    once = HiLander().fit(embeddings)
    lonely = np.tile(-np.ones(12), (5, 1))  # five times one row, far from all others
    found = HiLander().fit(np.concatenate([embeddings, lonely]))
    assert score(once.labels_, found.labels_[:96])["f_pairwise"] == 1
    assert len(np.unique(found.labels_[96:])) == 1
    np.testing.assert_allclose(found.probabilities_[96:], 1)
