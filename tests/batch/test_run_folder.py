import json
import shutil

import pytest

from hilander.batch import RunFolder, RunFolderError, cluster_batch, find_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory, models, image_folder):
    runs = tmp_path_factory.mktemp("runs")
    for _ in range(2):
        cluster_batch(image_folder, models=models, runs=runs, device="cpu")
    return runs


@pytest.fixture
def copy(tmp_path, runs):
    return shutil.copytree(find_run(runs, "latest").folder, tmp_path / "copy")


def test_a_run_is_found_by_id_by_folder_and_as_the_latest(runs):
    first, second = sorted((RunFolder.load(folder) for folder in runs.iterdir()), key=lambda run: run.facts["made_at"])
    assert find_run(runs, first.run_id).folder == first.folder
    assert find_run("elsewhere", first.folder).run_id == first.run_id
    assert find_run(runs, "latest").run_id == second.run_id


def test_a_run_that_another_goes_on_from_is_not_the_latest_whatever_its_clock_said(tmp_path, runs):
    runs = shutil.copytree(runs, tmp_path / "runs")
    first, second = sorted(runs.iterdir(), key=lambda folder: RunFolder.load(folder).facts["made_at"])
    change(first, made_at="2099-01-01T00:00:00+00:00")
    assert find_run(runs, "latest").folder == first
    change(second, earlier_run=RunFolder.load(first).run_id)
    assert find_run(runs, "latest").folder == second


def test_no_run_is_asked_for_or_there_is_none_yet(tmp_path, runs):
    assert find_run(runs, None) is None
    assert find_run(tmp_path, "latest") is None
    with pytest.raises(FileNotFoundError, match=f"newest there: .*{find_run(runs, 'latest').run_id}"):
        find_run(runs, "20200101T000000-00000000")


def test_half_written_runs_are_not_seen(tmp_path, copy):
    copy.rename(tmp_path / ".20261122T203015-3f9a1c2b-x1")
    assert find_run(tmp_path, "latest") is None


@pytest.mark.parametrize("name", ["clusters.parquet", "embeddings.npy"])
def test_missing_and_altered_files_are_named(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RunFolderError, match=f"{name} is missing or was altered"):
        RunFolder.load(copy)
    (copy / name).unlink()
    with pytest.raises(RunFolderError, match=f"{name} is missing or was altered"):
        RunFolder.load(copy)


def change(folder, **values):
    facts = json.loads((folder / "run.json").read_text()) | values
    (folder / "run.json").write_text(json.dumps({name: value for name, value in facts.items() if value is not None}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "hilander-run/9"}, "update hilander"),
        ({"next_id": 0}, "does not fit"),
        ({"counts": {"items": 3}}, "does not fit"),
        ({"next_id": "many"}, "damaged"),
        ({"source": None}, "does not say source"),
    ],
)
def test_an_altered_manifest_is_refused(copy, values, message):
    change(copy, **values)
    with pytest.raises(RunFolderError, match=message):
        RunFolder.load(copy)


def test_a_cut_manifest_is_refused_also_as_the_latest(tmp_path, copy):
    (copy / "run.json").write_text("{")
    for read in (lambda: RunFolder.load(copy), lambda: find_run(tmp_path, "latest")):
        with pytest.raises(RunFolderError, match="damaged"):
            read()
