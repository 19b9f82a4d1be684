import numpy as np
import pytest

from hilander.graph import distinct_rows as module
from hilander.graph.distinct_rows import distinct_rows, ordered_rows


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


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_rows_of_zeros_of_either_sign_are_equal_in_every_column(d):
    rows = np.random.default_rng(d).choice(np.array([0, -0.0, 1, -1], np.float32), size=(200, d))
    first, inverse = distinct_rows(rows)
    np.testing.assert_array_equal(rows[first][inverse], rows)
    assert len(first) == len({tuple(row) for row in rows.tolist()})


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
    monkeypatch.setattr(module, "EXACT_UP_TO", 10)
    rows = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)[np.arange(90) % 50]
    first, inverse = ordered_rows(rows)
    assert len(first) == 50
    np.testing.assert_array_equal(rows[first][inverse], rows)
    assert set(first.tolist()) == set(distinct_rows(rows)[0].tolist())
