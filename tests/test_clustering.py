import numpy as np

from hilander.clustering import distinct_rows, membership_probabilities
from hilander.hierarchy.decode import Links


def test_distinct_rows_give_the_same_array_for_any_order():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 3)).astype(np.float32)[rng.integers(20, size=60)]
    rows[0, 0] = -0.0
    rows[1] = np.where(np.arange(3) == 0, 0.0, rows[0])
    first, inverse = distinct_rows(rows)
    np.testing.assert_array_equal(rows[first][inverse], rows)
    assert len(first) == len(np.unique(rows, axis=0))
    shuffled = rows[rng.permutation(60)]
    np.testing.assert_array_equal(shuffled[distinct_rows(shuffled)[0]], rows[first])


def test_probability_is_the_mean_linkage_within_the_cluster():
    links = Links(
        source=np.array([0, 1, 2, 2]), target=np.array([1, 2, 0, 3]),
        linkage=np.array([0.8, 0.6, 1.0, 0.3], np.float32), density=np.zeros(4, np.float32),
    )  # fmt: skip
    found = membership_probabilities(links, np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(found, [0.9, 0.7, 0.8, 0.7], atol=1e-6)
