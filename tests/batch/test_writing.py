"""What a run folder says of the steps before it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from hilander.batch import cluster, embed, find_run, identify, write_run, writing
from hilander.batch.embedding import encoder_digest
from hilander.batch.working_folder import CLUSTERED, EMBEDDED, IDENTIFIED, read_facts
from hilander.model_folder import digest_of
from hilander.releases import release_in_service


def steps(source, release, working, earlier=None):
    embed(source, release, working, device="cpu")
    cluster(release, working, device="cpu")
    identify(release, working, earlier, device="cpu")


def test_a_run_says_what_each_step_found(tmp_path, models, save_embeddings, embeddings_of_classes):
    release, working, runs = release_in_service(models), tmp_path / "working", tmp_path / "runs"
    known, alone = embeddings_of_classes(60, seed=0), embeddings_of_classes(1, seed=2, n_classes=1, classes_seed=7)
    pair = embeddings_of_classes(2, seed=2, n_classes=1, classes_seed=8)
    source = save_embeddings("set.npz", [f"item {i}" for i in range(63)], np.concatenate([known, alone, pair]))
    steps(source, release, working)
    begun = datetime.now(UTC)
    run = write_run("https://user:hunter22@host/set.npz", source, release, working, runs, run_id="first")
    facts, table = run.facts, run.clusters()
    assert run.folder == runs / "first"
    assert facts["run_id"] == "first"
    assert timedelta(0) <= datetime.fromisoformat(facts["made_at"]) - begun < timedelta(minutes=1)
    assert "hunter22" not in facts["source"]
    assert facts["counts"] == {"items": 63, "clusters": 8, "clusters_of_one": 1}
    assert (facts["encoder"], facts["named_by_row"], facts["earlier_run"]) == (None, False, None)
    of_steps = {"embed": EMBEDDED, "cluster": CLUSTERED, "identify": IDENTIFIED}
    found = {step: read_facts(working, folder) for step, folder in of_steps.items()}
    assert facts["seconds"] == {step: round(of_step["seconds"], 3) for step, of_step in found.items()}
    assert facts["levels"] == found["cluster"]["levels"] != []
    assert facts["settings"] == found["cluster"]["settings"]
    assert facts["files"] == {path.name: digest_of(path) for path in run.folder.iterdir() if path.name != "run.json"}
    assert len(facts["files"]) == 3
    assert "pairwise F 0.77" in run.report.read_text(encoding="utf-8")  # of the release

    others, left = tmp_path / "others", known[table["cluster"][:60] != 0]  # so ids have a gap
    steps(save_embeddings("later.npz", [f"new {i}" for i in range(50)], left), release, others, run)
    later = write_run(source, source, release, others, runs)
    expected = read_facts(others, IDENTIFIED)
    asked = ("earlier_run", "matched_by_items", "matched_by_model", "next_id", "changes")
    assert {name: later.facts[name] for name in asked} == {name: expected[name] for name in asked}
    assert (later.facts["earlier_run"], later.facts["matched_by_items"], later.facts["matched_by_model"]) == (
        "first", 0, 5,
    )  # fmt: skip
    assert later.facts["counts"]["clusters"] == 5
    assert set(later.clusters()["cluster"]) == {1, 2, 3, 4, 5}
    assert find_run(runs, "latest").run_id == later.run_id


def test_images_say_by_which_encoder_and_rows_say_that_they_are_their_names(tmp_path, models, image_folder, caplog):
    release = release_in_service(models)
    steps(image_folder, release, tmp_path / "images")
    of_images = write_run(image_folder, image_folder, release, tmp_path / "images", tmp_path / "runs")
    assert (of_images.facts["encoder"], of_images.facts["named_by_row"]) == (encoder_digest(release), False)
    rows = tmp_path / "rows.npy"
    np.save(rows, of_images.embeddings())
    steps(rows, release, tmp_path / "rows")
    of_rows = write_run(rows, rows, release, tmp_path / "rows", tmp_path / "runs")
    assert (of_rows.facts["encoder"], of_rows.facts["named_by_row"]) == (None, True)
    assert "without their images" not in caplog.text  # embeddings have none to look for


def test_a_run_that_lacks_a_step_is_not_begun(tmp_path, models, save_embeddings, embeddings_of_classes):
    release, runs = release_in_service(models), tmp_path / "runs"
    source = save_embeddings("set.npz", range(12), embeddings_of_classes(12, seed=0))
    embed(source, release, tmp_path / "working")
    cluster(release, tmp_path / "working", device="cpu")
    with pytest.raises(FileNotFoundError, match="fetch, embed, cluster, identify, write_run, in this order"):
        write_run(source, source, release, tmp_path / "working", runs)
    assert not runs.exists()


@pytest.mark.parametrize("name", ["latest", ".hidden", "a/b", "..", "", "/"])
def test_a_name_that_no_run_could_be_found_by_is_refused_before_anything_is_written(tmp_path, models, name):
    with pytest.raises(ValueError, match="neither hidden nor 'latest'; got"):
        write_run("set.npz", "set.npz", release_in_service(models), tmp_path, tmp_path / "runs", run_id=name)
    assert not (tmp_path / "runs").exists()


def test_of_two_that_write_a_run_of_one_name_the_later_one_is_told_so(
    tmp_path, models, save_embeddings, embeddings_of_classes, monkeypatch
):
    release, working, runs = release_in_service(models), tmp_path / "working", tmp_path / "runs"
    source = save_embeddings("set.npz", range(12), embeddings_of_classes(12, seed=0))
    steps(source, release, working)
    write_run_report = writing.write_run_report

    def overtaken(*args, **kwargs):
        monkeypatch.setattr(writing, "write_run_report", write_run_report)
        write_run(source, source, release, working, runs, run_id="same")
        write_run_report(*args, **kwargs)

    monkeypatch.setattr(writing, "write_run_report", overtaken)
    with pytest.raises(FileExistsError, match=r"another run has been written as same to .* under another name"):
        write_run(source, source, release, working, runs, run_id="same")
    assert [path.name for path in runs.iterdir()] == ["same"]
    assert find_run(runs, "same").facts["counts"]["items"] == 12
    assert write_run(source, source, release, working, runs, run_id="another").run_id == "another"
