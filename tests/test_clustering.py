import numpy as np
import pytest

from hilander import clustering
from hilander.clustering import distinct_rows, membership_probabilities, ordered_rows
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


@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_distinct_rows_are_in_the_order_of_their_bytes(d):
    rng = np.random.default_rng(d)
    rows = (rng.integers(-3, 4, size=(200, d)) / 8).astype(np.float32)
    as_bytes = [row.tobytes() for row in rows + np.float32(0)]
    first, inverse = distinct_rows(rows)
    assert [as_bytes[row] for row in first] == sorted(set(as_bytes))
    assert [as_bytes.index(value) for value in sorted(set(as_bytes))] == first.tolist()
    np.testing.assert_array_equal(rows[first][inverse], rows)


def test_the_order_in_space_keeps_each_row_its_own(monkeypatch):
    monkeypatch.setattr(clustering, "EXACT_UP_TO", 10)
    rows = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)[np.arange(90) % 50]
    first, inverse = ordered_rows(rows)
    assert len(first) == 50
    np.testing.assert_array_equal(rows[first][inverse], rows)
    assert set(first.tolist()) == set(distinct_rows(rows)[0].tolist())


def test_probability_is_the_mean_linkage_within_the_cluster():
    links = Links(
        source=np.array([0, 1, 2, 2]), target=np.array([1, 2, 0, 3]),
        linkage=np.array([0.8, 0.6, 1.0, 0.3], np.float32), density=np.zeros(4, np.float32),
    )  # fmt: skip
    found = membership_probabilities(links, np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(found, [0.9, 0.7, 0.8, 0.7], atol=1e-6)
