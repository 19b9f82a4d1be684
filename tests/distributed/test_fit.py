import os
import signal
import threading
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

from hilander import HiLander
from hilander.distributed import engine, link
from hilander.distributed.engine import Run
from hilander.distributed.run_folder import opened_run_folder
from hilander.distributed.store import Store
from tests.distributed.conftest import draw_classes


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as workers,
        Client(workers, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def embeddings():
    return draw_classes(1500)


@pytest.fixture(scope="module")
def expected(embeddings):
    return HiLander().fit(embeddings)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr("hilander.distributed.fit.ROWS_PER_PART", 400)


def test_in_parts_as_in_one(embeddings, expected, tmp_path):
    found = HiLander(run_folder=tmp_path / "run").fit(embeddings)
    np.testing.assert_array_equal(found.labels_, expected.labels_)
    np.testing.assert_array_equal(found.probabilities_, expected.probabilities_)
    np.testing.assert_array_equal(found.peaks_, expected.peaks_)
    assert [level.n_clusters for level in found.levels_] == [level.n_clusters for level in expected.levels_]
    np.testing.assert_array_equal(found.predict(embeddings[:20]), expected.predict(embeddings[:20]))


def test_on_workers_as_on_one_machine(embeddings, expected, client, tmp_path):
    np.save(tmp_path / "embeddings.npy", embeddings)
    found = HiLander(engine=client).fit(tmp_path / "embeddings.npy")
    np.testing.assert_array_equal(found.labels_, expected.labels_)
    assert found.n_features_in_ == embeddings.shape[1]
    by_address = HiLander(engine=client.scheduler.address).fit_predict(embeddings)
    np.testing.assert_array_equal(by_address, expected.labels_)
    with pytest.raises(ValueError, match="fitted from files"):
        found.predict(embeddings[:3])


def test_a_part_that_ends_after_its_fit_has_failed_leaves_no_temporary_folder(tmp_path, monkeypatch):
    begun, failed, ended = threading.Event(), threading.Event(), threading.Event()
    write = Store.write

    def read(piece):
        if piece.first_row == 0:
            begun.wait()
            raise ValueError("the first piece")
        begun.set()
        failed.wait()
        return draw_classes(piece.stop - piece.start)

    def told(store, name, array):
        try:
            write(store, name, array)
        finally:
            if failed.is_set():
                ended.set()

    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as workers,
        Client(workers, set_as_default=False) as client,
    ):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setattr("hilander.distributed.source.MOST_ROWS", 100)
        monkeypatch.setattr("hilander.distributed.source.Piece.read", read)
        monkeypatch.setattr(Store, "write", told)
        with pytest.raises(ValueError, match="the first piece"):
            HiLander(engine=client).fit(draw_classes(200))
        failed.set()
        assert ended.wait(60)
    assert not list(tmp_path.glob("hilander-*"))


def test_a_seed_may_be_a_number_of_numpy(embeddings, tmp_path):
    labels = HiLander(run_folder=tmp_path, random_state=np.int64(3)).fit_predict(embeddings[:50])
    again = HiLander(run_folder=tmp_path, random_state=3).fit_predict(embeddings[:50])
    np.testing.assert_array_equal(labels, again)


def test_a_killed_worker_costs_nothing_but_time(embeddings, expected, client, tmp_path):
    victim = next(iter(client.run(os.getpid).values()))

    def kill_midway():
        while not list(tmp_path.glob("parts-*/done/*first*/*")):
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill_midway)
    killer.start()
    labels = HiLander(engine=client, run_folder=tmp_path).fit_predict(embeddings)
    killer.join()
    np.testing.assert_array_equal(labels, expected.labels_)
    assert victim not in client.run(os.getpid).values()


def test_an_interrupted_fit_carries_on(embeddings, expected, tmp_path, monkeypatch):
    begun = []
    begin, advance = link._begin, link._advance

    def interrupted(network, graph, number, part):
        if graph.name == "second" and part == 2:
            raise KeyboardInterrupt
        advance(network, graph, number, part)

    def counted(network, graph, identity, cluster, before, part):
        begun.append(graph.name)
        begin(network, graph, identity, cluster, before, part)

    monkeypatch.setattr(link, "_begin", counted)
    monkeypatch.setattr(link, "_advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        HiLander(run_folder=tmp_path).fit(embeddings)
    monkeypatch.setattr(link, "_advance", advance)
    assert set(begun) == {"first", "second"}
    begun.clear()
    np.testing.assert_array_equal(HiLander(run_folder=tmp_path).fit_predict(embeddings), expected.labels_)
    finer = HiLander(run_folder=tmp_path, granularity=4).fit_predict(embeddings)
    np.testing.assert_array_equal(finer, HiLander(granularity=4).fit_predict(embeddings))
    assert not begun


def test_constraints_hold_in_parts(embeddings, expected, tmp_path):
    labels = expected.labels_
    apart = np.array([[np.flatnonzero(labels == 0)[0], np.flatnonzero(labels == 1)[0]]])
    together = np.flatnonzero(labels == 2)[None, :2]
    parameters = {"must_link": apart, "cannot_link": together}
    found = HiLander(run_folder=tmp_path).fit(embeddings, **parameters).labels_
    np.testing.assert_array_equal(found, HiLander().fit(embeddings, **parameters).labels_)
    assert found[apart[0, 0]] == found[apart[0, 1]]
    assert found[together[0, 0]] != found[together[0, 1]]


def test_another_run_is_not_carried_on(embeddings, tmp_path):
    HiLander(run_folder=tmp_path).fit(embeddings[:300])
    with pytest.raises(ValueError, match=r"another run, .* differs in input: expected '\w{15}…, .*delete this one"):
        HiLander(run_folder=tmp_path).fit(embeddings[:301])
    assert len(list(tmp_path.glob("parts-*/input-*"))) == 1  # of what was refused nothing is written


def test_wrong_uses_are_told(embeddings):
    with pytest.raises(ValueError, match=r"must be an array; to read faces\.npy part by part"):
        HiLander().fit("faces.npy")
    with pytest.raises(ValueError, match=r"a distributed\.Client or the address of a scheduler, got int"):
        HiLander(engine=3).fit(embeddings)


@pytest.mark.parametrize("folder", ["", 5])
def test_a_run_folder_that_is_none_is_refused(embeddings, folder):
    with pytest.raises(ValueError, match="run_folder must be a path or a URL"):
        HiLander(run_folder=folder).fit(embeddings)


def test_constraints_that_part_equal_rows_are_refused_in_parts(embeddings, tmp_path):
    twice = np.concatenate([embeddings[:100], embeddings[:100]])
    with pytest.raises(ValueError, match="these part some; fit without `engine` and `run_folder`"):
        HiLander(run_folder=tmp_path).fit(twice, cannot_link=[[0, 100]])


@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_a_handful_of_rows_is_clustered_alike(embeddings, n):
    whole, parts = (
        HiLander().fit(embeddings[:n]),
        HiLander(run_folder="memory://" + uuid.uuid4().hex).fit(embeddings[:n]),
    )
    np.testing.assert_array_equal(parts.labels_, whole.labels_)
    np.testing.assert_allclose(parts.probabilities_, whole.probabilities_, atol=1e-6)


@pytest.fixture
def fit_that_dies(embeddings, monkeypatch):
    """Fit in a folder, and end where a part would be noted as done: before its work, or after it."""

    def fit(folder, mark, *, after_its_work):
        done = engine._do_and_note

        def dies(work, arguments, store, at):
            if at == mark:
                if after_its_work:
                    work(*arguments)
                raise KeyboardInterrupt
            done(work, arguments, store, at)

        with monkeypatch.context() as patch:
            patch.setattr(engine, "_do_and_note", dies)
            with pytest.raises(KeyboardInterrupt):
                HiLander(run_folder=folder).fit(embeddings)

    return fit


@pytest.mark.parametrize("graph", ["first", "second"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_round_that_was_done_but_not_noted_is_done_again_alike(
    embeddings, expected, tmp_path, fit_that_dies, graph, number
):
    fit_that_dies(tmp_path, f"done/{graph}: round {number}/000001", after_its_work=True)
    again = HiLander(run_folder=tmp_path).fit(embeddings)
    np.testing.assert_array_equal(again.labels_, expected.labels_)
    np.testing.assert_array_equal(again.probabilities_, expected.probabilities_)


@pytest.mark.parametrize("step", ["first: pairs", "first: edges", "second: edges", "second: adjacency"])
def test_a_run_that_ended_at_any_step_of_the_edges_carries_on(embeddings, expected, tmp_path, fit_that_dies, step):
    fit_that_dies(tmp_path, f"done/{step}/000000", after_its_work=False)
    np.testing.assert_array_equal(HiLander(run_folder=tmp_path).fit_predict(embeddings), expected.labels_)


def test_a_second_run_in_the_same_folder_is_refused_while_the_first_goes_on(embeddings, tmp_path):
    with opened_run_folder(tmp_path), pytest.raises(ValueError, match="another run works in"):
        HiLander(run_folder=tmp_path).fit(embeddings[:50])
    HiLander(run_folder=tmp_path).fit(embeddings[:50])


def test_a_run_folder_that_is_a_file_is_told(embeddings, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file; name another one"):
        HiLander(run_folder=tmp_path / "file").fit(embeddings[:50])


def test_a_relative_run_folder_is_that_of_the_caller(embeddings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []
    step = Run.step
    monkeypatch.setattr(Run, "step", lambda self, *arguments: (calls.append(self.store.url), step(self, *arguments))[1])
    HiLander(run_folder="here").fit(embeddings[:50])
    assert {Path(url).parent for url in calls} == {tmp_path / "here"}
