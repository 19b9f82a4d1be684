import time

import numpy as np
import pytest

from hilander import paged_arrays
from hilander.nn import edge_states
from hilander.nn.edge_states import EdgeStates


@pytest.mark.parametrize("largest", [0, 1 << 20])
def test_windows_keep_what_was_written(monkeypatch, largest):
    monkeypatch.setattr(paged_arrays, "_LARGEST_IN_MEMORY", largest)
    states, expected = EdgeStates(10, 3), np.arange(30, dtype=np.float32).reshape(10, 3)
    windows = [slice(0, 4), slice(4, 8), slice(8, 10)]
    for rows in windows:
        states.window(rows)[:] = 0
        states.window(rows).numpy()[:] = expected[rows]
    for _ in range(2):
        for rows in windows:
            np.testing.assert_array_equal(states.window(rows, changes=False), expected[rows])
    for rows in (slice(0, 5), slice(5, 10)):  # of another length
        states.window(rows).numpy()[:] += 1
    np.testing.assert_array_equal(states.window(slice(0, 10)), expected + 1)


def test_a_window_that_is_still_being_written_is_waited_for(monkeypatch):
    def slow(*arguments):
        time.sleep(0.1)
        return pwrite(*arguments)

    pwrite = edge_states.os.pwrite
    monkeypatch.setattr(paged_arrays, "_LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(edge_states.os, "pwrite", slow)
    states = EdgeStates(10, 3)
    states.window(slice(0, 4))[:] = 1
    states.window(slice(4, 8), changes=False)
    for rows in (slice(0, 1), slice(3, 6), slice(0, 4)):
        assert (states.window(rows, changes=False)[: 4 - rows.start] == 1).all()


def test_what_cannot_be_written_is_told_with_a_later_window(monkeypatch):
    def full(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(paged_arrays, "_LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(edge_states.os, "pwrite", full)
    states = EdgeStates(10, 3)
    states.window(slice(0, 5))
    states.window(slice(5, 10))
    with pytest.raises(OSError, match="no space left"):
        states.window(slice(0, 5))
