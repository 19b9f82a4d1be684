import uuid

import numpy as np
import pytest

from hilander.distributed import compare
from hilander.distributed import search as module
from hilander.distributed.engine import Run, ThisProcess
from hilander.distributed.parts import Parts
from hilander.distributed.search import search
from hilander.distributed.store import Store
from hilander.embeddings import check_embeddings
from hilander.graph import exact_search, inverted_lists, knn, list_join
from hilander.graph.knn import nearest_neighbors


@pytest.fixture(params=["folder", "memory"])
def run(request, tmp_path):
    return Run(Store(str(tmp_path) if request.param == "folder" else f"memory://{uuid.uuid4().hex}"), ThisProcess())


@pytest.fixture
def lists_from_500_rows(monkeypatch):
    for each in (knn, module):
        monkeypatch.setattr(each, "EXACT_UP_TO", 500)


def clustered(n, d=16, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 25 + 1, d))
    return check_embeddings(centres[rng.integers(len(centres), size=n)] + 0.4 * rng.normal(size=(n, d)))


def in_parts(store, embeddings, rows_per_part):
    parts = Parts.even(store, "features", len(embeddings), rows_per_part)
    for part in range(len(parts)):
        parts.write(part, embeddings[parts.bounds[part] : parts.bounds[part + 1]])
    return parts


def expect_the_same(run, embeddings, k, rows_per_part, random_state=0):
    features = in_parts(run.store, embeddings, rows_per_part)
    found = search(run, "near", features, k, random_state)
    for parts, values in zip(found, nearest_neighbors(embeddings, k, random_state=random_state), strict=True):
        assert (parts.bounds == features.bounds).all()
        assert parts.all().dtype == values.dtype
        assert parts.all().shape == values.shape
        assert (parts.all() == values).all()


@pytest.mark.parametrize("rows_per_part", [5000, 1000, 333])
@pytest.mark.parametrize("k", [1, 20])
def test_few_rows_are_compared_with_all(run, monkeypatch, k, rows_per_part):
    monkeypatch.setattr(compare, "_ROWS_PER_READ", exact_search.CANDIDATES_PER_BLOCK)
    expect_the_same(run, clustered(3001), k, rows_per_part)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_rows_than_neighbors(run, n):
    expect_the_same(run, clustered(n), 10, 2)


@pytest.mark.parametrize("rows_per_part", [9000, 1700])
@pytest.mark.parametrize("random_state", [0, 7])
@pytest.mark.usefixtures("lists_from_500_rows")
def test_many_rows_are_searched_over_the_lists_of_one_machine(run, monkeypatch, rows_per_part, random_state):
    for each in (list_join, module):
        monkeypatch.setattr(each, "ROWS_PER_BLOCK", 600)
    monkeypatch.setattr(compare, "_ROWS_PER_GROUP", 512)
    expect_the_same(run, clustered(8000), 12, rows_per_part, random_state)
    left = "sample", "queries", "true_neighbors", "probes", "own", "by_list", "by_list_probes", "answers", "short"
    assert not any(run.store.names(f"near_{name}") for name in left)


@pytest.mark.usefixtures("lists_from_500_rows")
def test_equal_similarities_and_rows_that_probe_many_lists(run, monkeypatch):
    for each in (knn, module):
        monkeypatch.setattr(each, "WORTHWHILE_SHARE", 1.0)
    rows = np.random.default_rng(0).integers(-1, 2, size=(4000, 6))
    rows[:, 0] += 3
    expect_the_same(run, check_embeddings(rows), 10, 900)


@pytest.fixture
def with_short_lists(lists_from_500_rows, monkeypatch):
    """Embeddings of which some rows find fewer than 60 others in the lists that they probe."""
    monkeypatch.setattr(compare, "_ROWS_PER_GROUP", 512)
    embeddings = clustered(3000)
    embeddings[:1500:2] = check_embeddings(embeddings[:1500:2] - 4 * embeddings[:3].mean(axis=0))
    monkeypatch.setattr(inverted_lists, "TARGET_RECALL", 0.3)
    return embeddings


def test_rows_whose_lists_hold_too_few_others_are_compared_with_all(run, with_short_lists):
    expect_the_same(run, with_short_lists, 60, 700)
    assert len(run.store.read("near_lists/short")) > 0
    left = "found_neighbors", "found_similarities", "answers", "rest_neighbors", "rest_similarities", "short"
    assert not any(run.store.names(f"near_{name}") for name in left)


def test_a_part_that_a_lost_worker_writes_late_takes_nothing_back(run, with_short_lists, monkeypatch):
    written, write = {}, Store.write

    def noted(store, name, array):
        written.setdefault(name, np.array(array))
        write(store, name, array)

    monkeypatch.setattr(Store, "write", noted)
    expect_the_same(run, with_short_lists, 60, 700)
    for name in sorted(run.store.names("near_neighbors") | run.store.names("near_similarities")):
        before = np.array(run.store.read(name))
        write(run.store, name, written[name])
        np.testing.assert_array_equal(run.store.read(name), before)


@pytest.mark.usefixtures("lists_from_500_rows")
def test_as_many_lists_are_made_as_on_one_machine(run, monkeypatch):
    for each in (knn, module):
        monkeypatch.setattr(each, "number_of_lists", lambda n: 40)
    expect_the_same(run, clustered(8000, d=32), 8, 3000)
    assert len(run.store.read("near_lists/centroids")) > 40
    assert not run.store.names("near_sample")


@pytest.mark.usefixtures("lists_from_500_rows")
def test_lists_that_do_not_pay_are_not_searched(run):
    expect_the_same(run, check_embeddings(np.random.default_rng(0).normal(size=(3000, 64))), 5, 700)
    assert run.store.names("near_by_list") == set()


def test_more_rows_than_are_searched_exactly(tmp_path):
    run = Run(Store(str(tmp_path)), ThisProcess())
    expect_the_same(run, clustered(40_000, d=64), 20, 1 << 14)
    assert "near_lists/rows" in run.store.names("near_lists")


@pytest.mark.usefixtures("lists_from_500_rows")
def test_an_interrupted_run_carries_on_and_a_finished_one_does_nothing(tmp_path, monkeypatch):
    for each in (list_join, module):
        monkeypatch.setattr(each, "ROWS_PER_BLOCK", 300)
    store, embeddings = Store(str(tmp_path)), clustered(4000)
    features = in_parts(store, embeddings, 1500)
    failing, done = {"_note", "_answer"}, []

    def interrupted(work):
        def call(*arguments):
            if arguments[-1] == 2 and work.__name__ in failing:
                failing.remove(work.__name__)
                raise OSError("the worker is gone")
            done.append((work.__name__, arguments[-1]))
            work(*arguments)

        return call

    for work in (module._note, module._answer):
        monkeypatch.setattr(module, work.__name__, interrupted(work))
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            search(Run(store, ThisProcess()), "near", features, 9, 0)
    for _ in range(2):
        found = search(Run(store, ThisProcess()), "near", features, 9, 0)
        for parts, values in zip(found, nearest_neighbors(embeddings, 9), strict=True):
            assert (parts.all() == values).all()
    assert sorted(done) == [*(("_answer", part) for part in range(4)), *(("_note", part) for part in range(3))]
