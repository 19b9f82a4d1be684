from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hilander.graph.size_context import SIZE_CONTEXT, size_context


def by_items(sizes, i, j):
    """The same, from a list of the cluster size of every single item."""
    of_items = np.sort(np.repeat(sizes, sizes))

    def quantile(share):
        return of_items[int(share * (len(of_items) - 1))]

    merged, typical = sizes[i] + sizes[j], quantile(0.5)
    shares = [np.mean(of_items >= size) for size in (merged, max(sizes[i], sizes[j]), min(sizes[i], sizes[j]))]
    spread, tail = quantile(0.75) / quantile(0.25), quantile(0.9) / typical
    return [np.log(merged / typical), *shares, np.log(spread), np.log(tail)]


@given(st.lists(st.integers(1, 60), min_size=2, max_size=40), st.randoms(use_true_random=False))
@example([1, 2], Random(0))  # the median and what lies above are the first item of their cluster
def test_agrees_with_a_list_of_all_items(sizes, random):
    sizes = np.array(sizes)
    edges = np.array([random.sample(range(len(sizes)), 2) for _ in range(10)])
    expected = np.array([by_items(sizes, i, j) for i, j in edges])
    found = size_context(sizes, edges)
    assert (found.dtype, found.shape) == (np.float32, (10, len(SIZE_CONTEXT)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_even_clusters_and_uneven_ones_tell_a_merger_apart():
    even = np.full(100, 20)
    uneven = np.concatenate([np.full(98, 20), [2000, 2000]])  # most items lie in large clusters
    merger = np.array([[0, 1]])
    assert size_context(even, merger)[0] == pytest.approx([np.log(2), 0, 1, 1, 0, 0], abs=1e-6)
    assert size_context(uneven, merger)[0, 0] == pytest.approx(np.log(40 / 2000))


def test_no_pair_has_no_context():
    assert size_context(np.array([3, 4]), np.empty((0, 2), np.int64)).shape == (0, len(SIZE_CONTEXT))
