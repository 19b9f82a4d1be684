"""The steps one by one, as a flow calls them."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hilander.batch import cluster, embed, fetch, identify, write_run
from hilander.batch.clustering import fit_clusters
from hilander.batch.working_folder import working_folder
from hilander.embeddings import check_embeddings
from hilander.estimator import HiLander
from hilander.models.general_model import general_model
from hilander.releases import release_in_service


def test_steps_hand_files_to_each_other_and_can_be_repeated(tmp_path, models, image_folder):
    release, working = release_in_service(models), tmp_path / "working"
    data = fetch(image_folder, working / "input")
    for _ in range(2):
        embed(data, release, working, batch_size=7, device="cpu")
        cluster(release, working, device="cpu")
        identify(release, working)
    first, second = (write_run(image_folder, data, release, working, tmp_path / "runs") for _ in range(2))
    assert first.run_id != second.run_id
    np.testing.assert_array_equal(first.clusters(), second.clusters())
    with pytest.raises(FileExistsError, match="choose another name"):
        write_run(image_folder, data, release, working, tmp_path / "runs", run_id=first.run_id)


def test_a_folder_that_changed_since_shows_its_items_own_images_or_names(tmp_path, models, image_folder, caplog):
    release, photos, working = release_in_service(models), tmp_path / "photos", tmp_path / "working"
    shutil.copytree(image_folder, photos)
    embed(photos, release, working, device="cpu")
    cluster(release, working, device="cpu")
    identify(release, working)

    def strips():
        html = write_run(photos, photos, release, working, tmp_path / "runs").report.read_text(encoding="utf-8")
        return re.findall("data:image/png[^>]*", html)

    shown = strips()
    Image.new("L", (16, 16), 128).save(photos / "0_new.png")  # before all others
    assert shown
    assert strips() == shown
    max(photos.iterdir()).unlink()
    assert strips() == []
    assert "no longer in" in caplog.text
    shutil.rmtree(photos)
    assert strips() == []


def test_a_run_that_is_killed_as_it_writes_leaves_nothing_beyond_the_next(tmp_path, models, save_embeddings):
    release, runs, working = release_in_service(models), tmp_path / "runs", tmp_path / "working"
    data = save_embeddings("some.npz", [f"item {i}" for i in range(12)], release.catalogue().embeddings[:12])
    embed(data, release, working)
    cluster(release, working, device="cpu")
    identify(release, working)
    script = """
        import sys, time
        from hilander.batch import writing
        from hilander.releases import release_in_service
        writing.write_run_report = lambda *_, **__: print("writes", flush=True) or time.sleep(60)
        data, models, working, runs = sys.argv[1:]
        writing.write_run(data, data, release_in_service(models), working, runs)
        """
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, (data, models, working, runs))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writes\n"
        process.kill()
    assert list(runs.rglob("embeddings.npy"))
    run = write_run(data, data, release, working, runs)
    assert list(runs.iterdir()) == [run.folder]


def test_a_step_out_of_order_names_the_order(tmp_path, models):
    release = release_in_service(models)
    for step in (cluster, identify):
        with pytest.raises(FileNotFoundError, match="fetch, embed, cluster, identify, write_run, in this order"):
            step(release, tmp_path)


def test_a_step_that_fails_leaves_what_was_there(tmp_path, models, image_folder):
    release = release_in_service(models)
    embed(image_folder, release, tmp_path, device="cpu")
    cluster(release, tmp_path, device="cpu")
    before = (tmp_path / "clustered" / "items.parquet").read_bytes()
    with pytest.raises(ValueError, match=r"linkage_threshold must lie within \[0, 1\]"):
        cluster(release, tmp_path, parameters={"linkage_threshold": 7.0}, device="cpu")
    with pytest.raises(ValueError, match="outliers must be 'keep' in a batch run"):
        cluster(release, tmp_path, parameters={"outliers": "label"}, device="cpu")
    assert (tmp_path / "clustered" / "items.parquet").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clustered", "embedded"]


def test_the_settings_say_which_threshold_was_clustered_by(tmp_path, embeddings_of_classes):
    embeddings = check_embeddings(embeddings_of_classes(60, seed=0))
    folder = HiLander(general_model()).save(tmp_path / "model")
    found = fit_clusters(folder, embeddings, {}, "cpu")
    adapted = HiLander().fit(embeddings)
    assert found.settings["linkage_threshold"] == adapted.linkage_threshold_
    np.testing.assert_array_equal(found.labels, adapted.labels_)


def test_a_working_folder_outlives_neither_its_run_nor_the_next(tmp_path):
    hold = "import sys, time\nfrom hilander.batch.working_folder import working_folder\n"
    hold += "with working_folder(sys.argv[1]) as working:\n    print(working, flush=True)\n    time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    other = Path(process.stdout.readline().strip())
    with working_folder(tmp_path) as working:
        assert working.is_dir()
        assert other.is_dir()  # its run goes on
    assert not working.exists()
    process.kill()
    process.wait()
    assert other.is_dir()
    with working_folder(tmp_path):
        assert not other.exists()
    assert list(tmp_path.iterdir()) == []
