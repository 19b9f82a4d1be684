import uuid

import numpy as np
import pytest

from hilander.distributed import reorder as module
from hilander.distributed.engine import Run, ThisProcess
from hilander.distributed.parts import Parts
from hilander.distributed.reorder import fetch, reorder
from hilander.distributed.store import Store


@pytest.fixture(params=["folder", "memory"])
def run(request, tmp_path):
    return Run(Store(str(tmp_path) if request.param == "folder" else f"memory://{uuid.uuid4().hex}"), ThisProcess())


def in_parts(store, name, array, bounds):
    parts = Parts(store, name, np.array(bounds))
    for part in range(len(parts)):
        parts.write(part, array[bounds[part] : bounds[part + 1]])
    return parts


@pytest.mark.parametrize("shape", [(100,), (100, 4)])
def test_rows_come_to_their_positions(run, shape):
    rng = np.random.default_rng(0)
    array = rng.normal(size=shape).astype(np.float32)
    position = rng.permutation(100)
    source = in_parts(run.store, "source", array, [0, 30, 30, 85, 100])
    target = Parts(run.store, "target", np.array([0, 11, 64, 64, 100]))
    reorder(run, "test", source, position, target)
    expected = np.empty_like(array)
    expected[position] = array
    assert (target.all() == expected).all()
    assert target.read(1).dtype == np.float32


def test_rows_without_a_position_are_left_out(run):
    array = np.arange(100)
    source = in_parts(run.store, "source", array, [0, 50, 100])
    position = np.full(100, -1)
    position[[70, 3, 99]] = [0, 1, 2]
    target = Parts(run.store, "target", np.array([0, 2, 3]))
    reorder(run, "test", source, position, target)
    assert [target.read(part).tolist() for part in range(2)] == [[70, 3], [99]]


def test_rows_are_fetched_in_the_order_asked_for(run, monkeypatch):
    array = np.random.default_rng(0).normal(size=(100, 3))
    source = in_parts(run.store, "source", array, [0, 60, 100])
    rows = np.array([99, 0, 61, 59])
    assert (fetch(run, "some", source, rows).all() == array[rows]).all()
    monkeypatch.setattr(module, "_ROWS_PER_PART", 3)
    assert (fetch(run, "in parts", source, rows).all() == array[rows]).all()
    assert fetch(run, "none", source, rows[:0]).all().shape == (0, 3)


def test_nothing_but_the_target_is_left(run):
    source = in_parts(run.store, "source", np.arange(10), [0, 5, 10])
    target = Parts(run.store, "target", np.array([0, 10]))
    reorder(run, "test", source, np.arange(10)[::-1].copy(), target)
    for what in ("moves", "sorted", "positions", "ends"):
        assert run.store.names(f"test_{what}") == set()


def test_an_interrupted_run_carries_on_and_a_finished_one_does_nothing(tmp_path, monkeypatch):
    store = Store(str(tmp_path))
    source = in_parts(store, "source", np.arange(100), [0, 30, 60, 100])
    position = np.random.default_rng(0).permutation(100)
    target = Parts(store, "target", np.array([0, 20, 100]))
    sorted_parts, sort = [], module._sort

    def failing(*arguments):
        if arguments[-1] == 2 and 2 not in sorted_parts:
            sorted_parts.append(2)
            raise OSError("the worker is gone")
        sorted_parts.append(arguments[-1])
        sort(*arguments)

    monkeypatch.setattr(module, "_sort", failing)
    with pytest.raises(OSError, match="gone"):
        reorder(Run(store, ThisProcess()), "test", source, position, target)
    for _ in range(2):
        reorder(Run(store, ThisProcess()), "test", source, position, target)
        assert (target.all()[position] == np.arange(100)).all()
    assert sorted_parts == [0, 1, 2, 2]
