import uuid

import numpy as np
import pytest

from hilander.distributed import ingest as module
from hilander.distributed import source as source_module
from hilander.distributed.engine import Run, ThisProcess
from hilander.distributed.ingest import ingest
from hilander.distributed.run_folder import opened_run_folder
from hilander.distributed.source import Source, from_array
from hilander.distributed.store import Store
from hilander.embeddings import check_embeddings
from hilander.graph import distinct_rows, spatial_order
from hilander.graph.distinct_rows import ordered_rows


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(source_module, "MOST_ROWS", 300)


@pytest.fixture(params=["folder", "memory"])
def run(request, tmp_path):
    return Run(Store(str(tmp_path) if request.param == "folder" else f"memory://{uuid.uuid4().hex}"), ThisProcess())


def expect_the_same(found, embeddings):
    normalized = check_embeddings(embeddings)
    first, inverse = ordered_rows(normalized)
    assert (found.first == first).all()
    assert (found.inverse == inverse).all()
    features = found.features.all()
    assert features.dtype == np.float32
    assert features.tobytes() == normalized[first].tobytes()  # −0 stays −0


def clustered(n, d=16, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 25 + 1, d))
    return (centres[rng.integers(len(centres), size=n)] + 0.4 * rng.normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
@pytest.mark.parametrize("n", [1, 2, 300, 301, 1000])
def test_rows_become_the_nodes_of_one_machine(run, n, dtype):
    embeddings = (10 * clustered(n) + 1).astype(dtype)
    expect_the_same(ingest(run, from_array(run.store, embeddings), rows_per_part=128), embeddings)
    assert not any(run.store.names(name) for name in ("rows", "rows_keys", "rows_hashes", "nodes_moves"))


@pytest.mark.parametrize("d", [1, 2, 3, 40])
def test_few_values_make_equal_rows_and_long_ties(run, d):
    rng = np.random.default_rng(0)
    embeddings = rng.choice([-0.0, 0.0, 1.0, -1.0], p=[0.4, 0.4, 0.1, 0.1], size=(1000, d)).astype(np.float32)
    embeddings[~embeddings.any(axis=1), -1] = 1
    embeddings[800:] = embeddings[:200]
    expect_the_same(ingest(run, from_array(run.store, embeddings)), embeddings)


def test_rows_that_differ_in_their_last_number_alone(run):
    embeddings = np.ones((900, 70), np.float32)
    embeddings[:, -1] = np.random.default_rng(0).integers(1, 400, size=900) / 400
    expect_the_same(ingest(run, from_array(run.store, embeddings)), embeddings)
    alike = np.zeros((900, 70), np.float32)  # of one norm
    alike[np.arange(900), np.random.default_rng(0).integers(2, 70, size=900)] = 1
    with opened_run_folder(f"{run.store.url}/alike") as store:
        expect_the_same(ingest(Run(store, ThisProcess()), from_array(store, alike)), alike)


@pytest.mark.parametrize("most_cells", [256, 4])
def test_many_rows_come_in_their_order_in_space(run, monkeypatch, most_cells):
    for each in (module, distinct_rows):
        monkeypatch.setattr(each, "EXACT_UP_TO", 500)
    monkeypatch.setattr(spatial_order, "_ROWS_PER_CELL", 40)
    monkeypatch.setattr(spatial_order, "_CELLS", most_cells)  # with few, the cells are divided once more
    embeddings = clustered(3000)
    embeddings[2000:2500] = embeddings[:500]
    expect_the_same(ingest(run, from_array(run.store, embeddings), rows_per_part=1000), embeddings)


def test_more_rows_than_are_searched_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr(source_module, "MOST_ROWS", 7000)
    embeddings = clustered(75_000, d=24)  # 256 cells, some of which are divided
    embeddings[70_000:] = embeddings[:5000]
    (tmp_path / "store").mkdir()
    run = Run(Store(str(tmp_path / "store")), ThisProcess())
    np.save(tmp_path / "rows.npy", embeddings)
    expect_the_same(ingest(run, Source.open(tmp_path / "rows.npy")), embeddings)


def test_an_interrupted_run_carries_on_and_a_finished_one_does_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EXACT_UP_TO", 500)
    monkeypatch.setattr(distinct_rows, "EXACT_UP_TO", 500)
    store, embeddings = Store(str(tmp_path)), clustered(1000)
    source = from_array(store, embeddings)
    written, write, find = [], module._write_rows, module._find_nearest
    failing = {2}

    def interrupted(work):
        def call(*arguments):
            if arguments[-1] in failing:
                failing.clear()
                raise OSError("the worker is gone")
            written.append((work.__name__, arguments[-1]))
            work(*arguments)

        return call

    monkeypatch.setattr(module, "_write_rows", interrupted(write))
    monkeypatch.setattr(module, "_find_nearest", interrupted(find))
    with pytest.raises(OSError, match="gone"):
        ingest(Run(store, ThisProcess()), source)
    failing.add(3)
    with pytest.raises(OSError, match="gone"):
        ingest(Run(store, ThisProcess()), source)
    for _ in range(2):
        expect_the_same(ingest(Run(store, ThisProcess()), source), embeddings)
    assert sorted(written) == [(name, part) for name in ("_find_nearest", "_write_rows") for part in range(4)]


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN or inf"), (np.inf, "NaN or inf"), (0, "zero vectors")])
def test_bad_rows_are_named_by_their_number_in_the_whole_input(run, value, said):
    embeddings = clustered(1000)
    embeddings[777] = value
    with pytest.raises(ValueError, match=rf"{said}.* in rows 777;"):
        ingest(run, from_array(run.store, embeddings))


def test_another_width_and_no_rows_are_refused(run):
    with pytest.raises(ValueError, match=r"shape \(n, 8\) to match the model; got \(100, 16\)"):
        ingest(run, from_array(run.store, clustered(100)), n_features=8)
    with pytest.raises(ValueError, match="at least 1 row"):
        ingest(run, from_array(run.store, np.empty((0, 8), np.float32)))
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        ingest(run, from_array(run.store, np.empty((5, 0), np.float32)))
