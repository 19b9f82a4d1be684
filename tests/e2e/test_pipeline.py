"""`dvc pull data` and `dvc repro` in a copy of the repository, as a user runs them, on a part of the glyphs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from hilander.data import read_dataset, write_dataset
from hilander.label_files import read_labels

ROOT = Path(__file__).parents[2]
QUICK = {
    "encoder": {"name": "conv", "epochs": 5, "image_size": 16, "embedding_size": 32, "width": 8},
    "lander": {
        "compare_with": ["published"],
        "published": {"hidden_features": 16, "epochs": 2},
        "hilander": {"n_item_steps": 30, "n_cluster_steps": 12, "n_starter_steps": 12},
    },
    "evaluate": {"baselines": ["kmeans", "leiden"]},
}


class Workspace:
    """A copy of the repository without version control."""

    def __init__(self, folder):
        self.folder = folder
        files = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
        ).stdout.decode().split("\0")  # fmt: skip
        for name in files:
            wanted = name.startswith((".dvc", "dvcstore/", "src/")) or "/" not in name
            if name and wanted and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        self.dvc("config", "--local", "core.no_scm", "true")

    def environment(self):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # The repository's own code, whose compiled form is kept; the workspace's copy of it is what DVC watches.
        return os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(ROOT / "src")}

    def dvc(self, *arguments):
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.environment(), capture_output=True, text=True)

    def set_params(self, **blocks):
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        for block, values in blocks.items():
            params[block] |= values
        path.write_text(yaml.safe_dump(params))

    def contents(self, *folders):
        """Bytes of every file."""
        paths = [path for folder in folders for path in (self.folder / folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("clone"))
    pulled = workspace.dvc("pull", "data")
    assert pulled.returncode == 0, pulled.stderr
    [glyphs] = (workspace.folder / "data").glob("*.parquet")
    dataset = read_dataset(glyphs)
    rng = np.random.default_rng(0)
    kept = np.concatenate(
        [
            rng.choice(np.unique(dataset.labels[dataset.splits == split]), 25, replace=False)
            for split in ("train", "test")
        ]
    )
    glyphs.unlink()
    write_dataset(dataset.subset(np.isin(dataset.labels, kept)), glyphs)
    workspace.dvc("commit", "--force", "data.dvc")
    workspace.set_params(**QUICK)
    return workspace


@pytest.fixture(scope="module")
def finished(workspace):
    """The workspace after a stage was killed in the middle and `dvc repro` was called again."""
    command = [sys.executable, "-m", "dvc", "repro"]
    run = subprocess.Popen(
        command, cwd=workspace.folder, env=workspace.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    checkpoints = workspace.folder / "artifacts" / "checkpoints"
    deadline = time.monotonic() + 300
    while not any(checkpoints.rglob("*.*")) and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert run.poll() is None, run.stdout.read().decode()
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not (workspace.folder / "artifacts" / "encoder").exists()
    again = workspace.dvc("repro")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Stage 'validate' didn't change, skipping" in again.stdout  # it carried on
    return workspace, again.stdout


def test_the_run_ends_with_the_table_and_the_reports_path(finished):
    workspace, output = finished
    assert output.index("Hi-LANDER as published") < output.index("Leiden") < output.index("report: ")
    metrics = json.loads((workspace.folder / "reports" / "metrics.json").read_text())
    assert {"hilander", "published", "kmeans", "leiden", "ceiling"} <= metrics.keys()
    assert 0 < metrics["hilander"]["f_bcubed"] <= 1
    report = (workspace.folder / "reports" / "report.html").read_text()
    assert "http://" not in report.replace("http://www.w3.org", "")
    assert "https://" not in report.split("</head>")[0]  # nothing is fetched


def test_clusters_are_written_for_every_test_item(finished):
    workspace, _ = finished
    found = read_labels(workspace.folder / "artifacts" / "clusters" / "test.parquet")
    test = read_dataset(workspace.folder / "data").split("test")
    assert set(found.ids) == set(test.ids)


def test_a_second_run_does_nothing(finished):
    workspace, _ = finished
    before = workspace.contents("artifacts", "reports")
    again = workspace.dvc("repro")
    assert again.returncode == 0
    assert "Running stage" not in again.stdout
    assert workspace.contents("artifacts", "reports") == before


def test_the_users_own_embeddings_skip_the_encoder(finished, tmp_path):
    workspace, _ = finished
    parts = []
    for split in ("train", "test"):
        folder = workspace.folder / "artifacts" / "embeddings" / split
        parts.append((np.load(folder / "embeddings.npy"), read_labels(folder / "items.parquet").labels, split))
    np.savez(
        tmp_path / "mine.npz",
        embeddings=np.concatenate([embeddings for embeddings, _, _ in parts]),
        labels=np.concatenate([labels for _, labels, _ in parts]).astype(str),
        splits=np.concatenate([[split] * len(labels) for _, labels, split in parts]),
    )
    workspace.set_params(data={"path": str(tmp_path / "mine.npz")}, encoder={"name": "identity"})
    arrays = (workspace.folder / "artifacts" / "embeddings").rglob("*.npy")
    embedded = {path.relative_to(workspace.folder): np.load(path) for path in arrays}
    run = workspace.dvc("repro", "encode")
    assert run.returncode == 0, run.stdout + run.stderr
    for name, before in embedded.items():
        now = np.load(workspace.folder / name)
        np.testing.assert_allclose(now, before, atol=1e-6)  # normalised once more


def test_bad_data_stop_the_pipeline_and_lose_nothing(finished):
    workspace, _ = finished
    [glyphs] = (workspace.folder / "data").glob("*.parquet")
    dataset = read_dataset(glyphs)
    splits = dataset.splits.copy()
    classes = np.unique(dataset.labels[splits == "train"])
    splits[np.flatnonzero(dataset.labels == classes[0])[0]] = "test"
    glyphs.unlink()
    write_dataset(type(dataset)(dataset.ids, dataset.labels, splits, dataset.images), glyphs)
    workspace.set_params(data={"path": "data"}, encoder=QUICK["encoder"])
    before = workspace.contents("artifacts/encoder", "artifacts/lander", "artifacts/clusters")
    run = workspace.dvc("repro")
    assert run.returncode != 0
    assert str(classes[0]) in run.stdout + run.stderr
    assert workspace.contents("artifacts/encoder", "artifacts/lander", "artifacts/clusters") == before
