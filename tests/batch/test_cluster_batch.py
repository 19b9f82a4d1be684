import json
import logging
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from hilander.batch import RunFolder, SourceError, cluster_batch
from hilander.data import DataError
from hilander.encoder.torch_encoder import TorchEncoder
from hilander.releases import publish_release, release_in_service


@pytest.fixture
def run(models, tmp_path):
    def run(source, **options):
        return cluster_batch(source, models=models, runs=tmp_path / "runs", device="cpu", **options)

    return run


def ids_of(run):
    return dict(zip(*run.clusters()[["id", "cluster"]].to_numpy().T, strict=True))


def test_images_become_a_run_folder(run, image_folder, models):
    found = run(image_folder)
    assert {path.name for path in found.folder.iterdir()} == {
        "clusters.parquet", "embeddings.npy", "report.html", "run.json",
    }  # fmt: skip
    table = found.clusters()
    assert set(table["id"]) == {path.name for path in image_folder.iterdir()}
    assert table["probability"].between(0, 1).all()
    assert found.embeddings().shape == (48, 16)
    assert found.facts["release"] == release_in_service(models).version
    assert found.facts["counts"]["clusters"] == table["cluster"].nunique() == found.next_id
    assert found.facts["settings"]["random_state"] == 0
    assert RunFolder.load(found.folder) == found
    assert [path.name for path in found.folder.parent.iterdir()] == [found.run_id]  # no working folder is left


def test_the_labels_are_those_of_the_model_in_service(run, save_embeddings, embeddings_of_classes, models):
    embeddings = embeddings_of_classes(60, seed=0)
    # Four times: a power of two, so that the rows are the same to the last bit once they are normalised.
    found = run(save_embeddings("set.npz", range(60), 4 * embeddings), linkage_threshold=0.6)
    expected = release_in_service(models).clusterer(linkage_threshold=0.6).fit_predict(embeddings)
    np.testing.assert_array_equal(found.clusters()["cluster"], expected)
    assert found.facts["settings"]["linkage_threshold"] == 0.6
    adapted = run(save_embeddings("again.npz", range(60), 4 * embeddings), linkage_threshold="adapted")
    clusterer = release_in_service(models).clusterer(linkage_threshold="adapted").fit(embeddings)
    np.testing.assert_array_equal(adapted.clusters()["cluster"], clusterer.labels_)
    assert adapted.facts["settings"]["linkage_threshold"] == clusterer.linkage_threshold_


class QuietServer(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


def test_secrets_of_the_source_are_written_and_logged_nowhere(
    run, tmp_path, save_embeddings, embeddings_of_classes, caplog, capfd
):
    caplog.set_level(logging.INFO)
    save_embeddings("set.npz", range(60), embeddings_of_classes(60, seed=0))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietServer, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/set.npz?X-Amz-Signature="
        found = run(url + "hunter22", show_progress=True)
        server.shutdown()
    assert found.facts["source"] == url + "•••"
    assert url + "•••" in caplog.text
    written = b"".join(path.read_bytes() for path in found.folder.iterdir()).decode(errors="ignore")
    assert "hunter22" not in written + caplog.text + "".join(capfd.readouterr())


def test_clusters_keep_their_ids_as_a_set_changes(run, save_embeddings, embeddings_of_classes):
    embeddings, ids = embeddings_of_classes(120, seed=0), [f"photo {i}" for i in range(120)]
    first = run(save_embeddings("monday.npz", ids[:80], embeddings[:80]))
    rows = np.random.default_rng(0).permutation(np.arange(20, 120))
    second = run(save_embeddings("tuesday.npz", np.array(ids)[rows], embeddings[rows]), earlier_run="latest")
    assert second.facts["earlier_run"] == first.run_id
    before, now = ids_of(first), ids_of(second)
    assert all(now[name] == before[name] for name in set(before) & set(now))
    assert second.next_id == first.next_id == 6
    changes = second.facts["changes"]
    assert (changes["items_shared"], changes["items_added"], changes["items_gone"]) == (60, 40, 20)


def test_clusters_of_new_items_alone_are_recognised_by_the_model(run, save_embeddings, embeddings_of_classes):
    first = run(save_embeddings("monday.npz", [f"a{i}" for i in range(60)], embeddings_of_classes(60, seed=0)))
    known, strange = embeddings_of_classes(30, seed=1), embeddings_of_classes(10, seed=2, n_classes=1, classes_seed=7)
    source = save_embeddings("tuesday.npz", [f"b{i}" for i in range(40)], np.concatenate([known, strange]))
    second = run(source, earlier_run=first.run_id)
    before, now = first.clusters()["cluster"], second.clusters()["cluster"]
    np.testing.assert_array_equal(now[:30], before[:30])  # the classes come in the same order
    assert set(now[30:]) == {6}
    assert (second.facts["matched_by_items"], second.facts["matched_by_model"]) == (0, 6)


def test_row_numbers_alone_do_not_make_items_the_same(run, tmp_path, embeddings_of_classes):
    """Two .npy files have the row numbers 0, 1, … in common, whatever lies in these rows."""
    embeddings = embeddings_of_classes(60, seed=0)
    np.save(tmp_path / "monday.npy", embeddings)
    np.save(tmp_path / "tuesday.npy", np.concatenate([embeddings[:30], embeddings[31:]]))  # all after move up
    first = run(tmp_path / "monday.npy")
    second = run(tmp_path / "tuesday.npy", earlier_run="latest")
    assert second.facts["changes"]["items_shared"] == 30
    np.testing.assert_array_equal(second.clusters()["cluster"][30:], first.clusters()["cluster"][31:])


def test_runs_of_other_encoders_have_only_ids_in_common(run, image_folder, models, tmp_path):
    first = run(image_folder)
    release = release_in_service(models)
    TorchEncoder("conv", 16, 8, 16, device="cpu").save(tmp_path / "other")
    publish_release(
        tmp_path / "models", lander=release.folder / "lander", encoder=tmp_path / "other",
        reference=release.reference(), catalogue=release.catalogue(), metrics={}, provenance={},
    )  # fmt: skip
    options = {"models": tmp_path / "models", "runs": tmp_path / "runs", "earlier_run": first.run_id}
    assert cluster_batch(image_folder, **options).facts["changes"]["items_shared"] == 48
    others = tmp_path / "others"
    others.mkdir()
    for path in image_folder.iterdir():
        (others / f"new_{path.name}").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match=r"made by different encoders.*Run the earlier set again"):
        cluster_batch(others, **options)


@pytest.mark.parametrize(
    ("ids", "shape", "message"),
    [
        (["a", "b", "a"], (3, 16), "ids must be unique.*: a"),
        (["a", "b", "c"], (3, 9), r"shape \(n, 16\) to match the model; got \(3, 9\)"),
        ([], (0, 16), "at least 1 row"),
    ],
)
def test_bad_input_is_said_and_leaves_nothing(run, save_embeddings, tmp_path, ids, shape, message):
    with pytest.raises(ValueError, match=message):
        run(save_embeddings("set.npz", ids, np.ones(shape, np.float32)))
    assert list((tmp_path / "runs").iterdir()) == []


def test_damaged_and_absent_sources_are_said(run, image_folder, tmp_path):
    with pytest.raises(SourceError, match="no such file or folder"):
        run(tmp_path / "absent")
    (tmp_path / "page.npy").write_text("<html>Please log in</html>")
    with pytest.raises(DataError, match=r"page\.npy"):
        run(tmp_path / "page.npy")
    with pytest.raises(FileNotFoundError, match="earlier run"):
        run(image_folder, earlier_run="20200101T000000-00000000")


def test_one_item_is_a_cluster(run, save_embeddings):
    found = run(save_embeddings("set.npz", ["only"], np.eye(1, 16)))
    assert found.clusters()["cluster"].tolist() == [0]
    assert json.loads((found.folder / "run.json").read_text())["levels"] == []


def test_other_items_by_the_same_ids_are_told(tmp_path, models, save_embeddings, embeddings_of_classes, caplog):
    ids = [f"{number:04}.jpg" for number in range(60)]
    first = cluster_batch(
        save_embeddings("a.npz", ids, embeddings_of_classes(60, 1)), models=models, runs=tmp_path / "r"
    )
    again = {"models": models, "runs": tmp_path / "r", "earlier_run": first.run_id}
    same = cluster_batch(tmp_path / "a.npz", **again)
    assert same.facts["changes"]["items_altered"] == 0
    assert "other embeddings" not in caplog.text
    others = save_embeddings("b.npz", ids, embeddings_of_classes(60, 2, classes_seed=5))
    other = cluster_batch(others, **again)
    assert other.facts["changes"]["items_altered"] == 60
    assert "60 of the 60 items" in caplog.text
    assert "other items by" in other.report.read_text(encoding="utf-8")
