from itertools import combinations, pairwise

import numpy as np
import pytest
import torch

from hilander.training.context import LinkedSet, train_context


def set_of_groups(n_groups, n_double, size, seed):
    """Closed groups of one class each, and some of two classes that look alike: all linked about as surely."""
    rng = np.random.default_rng(seed)
    sizes = np.concatenate([np.full(n_groups, size), np.full(n_double, 2 * size)])
    starts = np.cumsum([0, *sizes])
    edges = np.array([pair for a, b in pairwise(starts) for pair in combinations(range(a, b), 2)], np.int64)
    labels = np.arange(starts[-1]) // size
    linkage = rng.uniform(0.7, 0.95, len(edges)).astype(np.float32)
    return LinkedSet(edges, linkage, labels), np.repeat(sizes, sizes)[edges[:, 0]] > size


@pytest.fixture(scope="module")
def network():
    sets = [set_of_groups(12, i % 4, 6 + i, seed=i)[0] for i in range(16)]
    return train_context(sets, n_steps=300)


@pytest.mark.parametrize("size", [9, 15])
def test_groups_larger_than_usual_are_linked_less_surely(network, size):
    unseen, in_double = set_of_groups(12, 3, size, seed=100 + size)
    corrected = network.correct(unseen.linkage, unseen.edges, len(unseen.labels))
    assert corrected[~in_double].mean() > 0.9
    assert corrected[in_double].mean() == pytest.approx(0.5, abs=0.15)


def test_one_seed_gives_one_network_and_leaves_the_global_generator_alone():
    sets = [set_of_groups(5, 1, 5, seed=i)[0] for i in range(3)]
    torch.manual_seed(3)
    first = train_context(sets, n_steps=30)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))
    again, other = train_context(sets, n_steps=30), train_context(sets, n_steps=30, random_state=1)
    states = [each.state_dict() for each in (first, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["layers.0.weight"], states[2]["layers.0.weight"])
