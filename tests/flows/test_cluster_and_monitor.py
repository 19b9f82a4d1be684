"""The flows `cluster` and `monitor` in this process, on a real server and a release without a trained network."""

import importlib.util
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from hilander import HiLander
from hilander.config import EncoderParams
from hilander.data.dataset import Dataset
from hilander.encoder import make_encoder
from hilander.monitoring.capture import CaptureWriter
from hilander.monitoring.history import read_history
from hilander.releases import Items, publish_release, release_in_service

FLOWS = Path(__file__).parents[2] / "flows"


def load_flow(name, part=None):
    spec = importlib.util.spec_from_file_location(f"flows_{name}", FLOWS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, part or name)


def draw(n_classes, seed, n_each=10):
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), n_each)
    embeddings = random.normal(size=(n_classes, 16))[labels] + 0.2 * random.normal(size=(len(labels), 16))
    return (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.fixture(scope="module")
def harness():
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    embeddings, labels = draw(60, seed=0)
    ids = np.arange(len(labels)).astype(str)
    dataset = Dataset(ids=ids, labels=labels.astype(str), embeddings=embeddings)
    make_encoder(dataset, EncoderParams(name="identity"))[0].save(folder / "encoder")
    HiLander().save(folder / "lander")
    publish_release(
        folder / "models",
        lander=folder / "lander",
        encoder=folder / "encoder",
        reference=Items(embeddings, pd.DataFrame({"id": ids, "label": labels.astype(str)})),
        catalogue=Items(embeddings, pd.DataFrame({"id": ids, "cluster": labels, "probability": 1.0})),
        metrics={"f_pairwise": 0.9, "f_bcubed": 0.9},
        provenance={},
    )
    return folder


@pytest.fixture
def workspace(released, tmp_path):
    shutil.copytree(released / "models", tmp_path / "models", symlinks=True)
    (tmp_path / "params.yaml").write_text("monitor: {min_rows: 200, sustained: 2, retrain: true}\n")
    return tmp_path


def test_later_runs_keep_the_ids_of_an_earlier_one(harness, workspace):
    embeddings, _labels = draw(12, seed=1)
    flow = load_flow("cluster")
    np.save(workspace / "some.npy", embeddings[:80])
    np.save(workspace / "all.npy", embeddings)
    first = pd.read_parquet(Path(flow("some.npy", str(workspace))) / "clusters.parquet")
    folder = Path(flow("all.npy", str(workspace), earlier_run="latest", linkage_threshold="adapted"))
    second = pd.read_parquet(folder / "clusters.parquet")
    assert second["cluster"][:80].tolist() == first["cluster"].tolist()
    assert set(second["cluster"][80:]).isdisjoint(first["cluster"])
    assert (folder / "report.html").stat().st_size > 10_000
    assert sorted(path.name for path in (workspace / "runs").glob(".*")) == []


def test_a_source_that_is_not_there_fails_at_once_and_leaves_nothing(harness, workspace):
    flow = load_flow("cluster")
    with pytest.raises(ValueError, match="found no such file"):
        flow("nothing.npy", str(workspace))
    assert list((workspace / "runs").glob("*")) == []


@pytest.mark.parametrize("threshold", [2, -0.1, float("nan")])
def test_a_threshold_out_of_its_range_fails_before_the_source_is_looked_for(harness, workspace, threshold):
    with pytest.raises(ValueError, match=r"linkage_threshold must lie within \[0, 1\] or be 'adapted', got "):
        load_flow("cluster")("nothing.npy", str(workspace), linkage_threshold=threshold)


def test_too_few_captures_give_no_verdict(harness, workspace):
    assert load_flow("monitor")(str(workspace)) == "too little"


def test_a_run_waits_for_no_negative_time(harness, workspace):
    with pytest.raises(ValueError, match="wait_minutes must be a number of minutes from 0, got -1"):
        load_flow("train")(str(workspace), wait_minutes=-1)


def test_one_embedding_over_and_over_gives_no_verdict(harness, workspace):
    embeddings, labels = draw(40, seed=2)
    same = np.repeat(embeddings[:1], len(labels), axis=0)
    with CaptureWriter(str(workspace / "captures")) as captures:
        captures.put(same, labels, np.ones(len(labels)), release_in_service(workspace / "models").version)
    assert load_flow("monitor")(str(workspace)) == "too little"


def test_drift_is_kept_and_sustained_only_when_it_lasts(harness, workspace):
    embeddings, labels = draw(40, seed=2)
    with CaptureWriter(str(workspace / "captures")) as captures:
        captures.put(embeddings + 0.5, labels, np.ones(len(labels)), release_in_service(workspace / "models").version)
    flow = load_flow("monitor")
    assert flow(str(workspace)) == "drift"
    assert flow(str(workspace)) == "sustained drift"
    verdicts = [json.loads(line) for line in (workspace / "monitoring/drift.jsonl").read_text().split("\n") if line]
    assert [entry["verdict"]["drifted"] for entry in verdicts] == [True, True]
    assert not (workspace / "monitoring/last_training.json").exists()  # there is no deployment to start here


@pytest.fixture
def trainings(harness):
    """Function that counts the runs of a deployment ``train/local``, which the other tests do without."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow_from_name("train"), "local")
        yield lambda: sum(run.deployment_id == deployment for run in client.read_flow_runs())
        client.delete_deployment(deployment)


def test_of_two_runs_at_once_one_starts_a_training(trainings, tmp_path):
    start_training = load_flow("monitor", "start_training")
    with ThreadPoolExecutor(3) as pool:
        started = list(pool.map(lambda _: start_training(tmp_path / "new", timedelta(hours=24)), range(3)))
    assert sorted(started) == [False, False, True]
    assert trainings() == 1


def test_a_run_killed_before_it_noted_the_training_starts_no_other_one(trainings, tmp_path):
    start_training = load_flow("monitor", "start_training")
    assert start_training(tmp_path, timedelta(hours=24))
    noted = (tmp_path / "last_training.json").read_text()
    (tmp_path / "last_training.json").unlink()
    assert start_training(tmp_path, timedelta(hours=24))
    assert (tmp_path / "last_training.json").read_text() == noted
    assert trainings() == 1
    assert start_training(tmp_path, timedelta(0))  # a later one, when it is time
    assert trainings() == 2


def end(record, state, with_task=False):
    """End the training that a record names, as a worker does that ran it."""
    from prefect import task
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    run_id = UUID(json.loads(record.read_text())["flow_run"])
    with get_client(sync_client=True) as client:
        if with_task:
            client.create_task_run(task(lambda: None, name="pull_data"), run_id, dynamic_key="0", state=Running())
        client.set_flow_run_state(run_id, state, force=True)


def test_a_training_that_never_began_does_not_count(trainings, tmp_path):
    """As one that waited in vain for another run in the workspace: it fails before its first task."""
    from prefect.states import Cancelled, Crashed, Failed

    start_training, record = load_flow("monitor", "start_training"), tmp_path / "last_training.json"
    assert start_training(tmp_path, timedelta(hours=24))
    assert not start_training(tmp_path, timedelta(hours=24))  # it waits still
    for ended in (Failed(message="WorkspaceBusy"), Crashed()):
        end(record, ended)
        assert start_training(tmp_path, timedelta(hours=24))
    assert trainings() == 3
    end(record, Cancelled())  # somebody's will
    assert not start_training(tmp_path, timedelta(hours=24))


def test_a_training_that_failed_at_work_counts(trainings, tmp_path):
    from prefect.states import Failed

    start_training, record = load_flow("monitor", "start_training"), tmp_path / "last_training.json"
    assert start_training(tmp_path, timedelta(hours=24))
    end(record, Failed(), with_task=True)
    assert not start_training(tmp_path, timedelta(hours=24))
    record.write_text(json.dumps(json.loads(record.read_text())["created"]))  # as versions before wrote it
    assert not start_training(tmp_path, timedelta(hours=24))
    assert trainings() == 1


def test_who_deletes_the_record_gets_a_new_training_and_not_one_of_long_ago(trainings, tmp_path):
    from prefect.states import Completed

    start_training, record = load_flow("monitor", "start_training"), tmp_path / "last_training.json"
    for _ in range(2):
        assert start_training(tmp_path, timedelta(0))
        end(record, Completed())
    record.unlink()
    assert start_training(tmp_path, timedelta(0))
    assert trainings() == 3


def test_only_the_newest_reports_are_kept_and_those_of_the_verdicts_that_count(harness, workspace):
    embeddings, labels = draw(40, seed=2)
    with CaptureWriter(str(workspace / "captures")) as captures:
        captures.put(embeddings, labels, np.ones(len(labels)), release_in_service(workspace / "models").version)
    (workspace / "params.yaml").write_text("monitor: {min_rows: 200, sustained: 2, keep_reports: 1}\n")
    flow, found = load_flow("monitor"), []
    for _ in range(3):
        flow(str(workspace))
        found.append({path.name for path in (workspace / "monitoring").glob("drift-*.html")})
    assert [len(names) for names in found] == [2, 4, 4]  # each with Evidently's page
    assert not found[0] & found[2]
    assert found[1] - found[0] < found[2]
    assert len(read_history(workspace / "monitoring")) == 3


def test_what_looks_like_the_reference_is_no_drift(harness, workspace):
    embeddings, labels = draw(60, seed=0)
    fresh = embeddings + 0.01 * np.random.default_rng(3).normal(size=embeddings.shape).astype(np.float32)
    with CaptureWriter(str(workspace / "captures")) as captures:
        captures.put(fresh, labels, np.ones(len(labels)), release_in_service(workspace / "models").version)
    assert load_flow("monitor")(str(workspace)) == "no drift"
