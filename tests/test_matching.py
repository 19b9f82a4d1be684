import time

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from hilander.matching import largest_matching
from hilander.metrics import score


@pytest.mark.parametrize("largest", [1, 2, 5, 60, 3000])
def test_a_matching_is_as_good_as_that_of_the_whole_table(largest):
    rng = np.random.default_rng(largest)
    for _ in range(60):
        table = rng.integers(1, largest + 1, rng.integers(1, 25, 2)) * (rng.random() > rng.random())
        table *= rng.random(table.shape) < rng.random()
        cells = np.nonzero(table)
        assert largest_matching(*cells, table[cells]) == table[linear_sum_assignment(table, maximize=True)].sum()


def test_labels_at_random_are_scored_in_seconds():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 75_000, (2, 300_000))
    score(true[:1000], predicted[:1000])  # compiled, or read from the cache
    before = time.process_time()
    accuracy = score(true, predicted)["acc"]
    assert time.process_time() - before < 3  # growing one path after the other takes 6
    assert accuracy == pytest.approx(0.2445, abs=5e-4)
