import io
import json
import runpy

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilander.config import load_params
from hilander.data import Dataset, Images, train_test, write_dataset
from hilander.embeddings import check_embeddings
from hilander.estimator import HiLander
from hilander.graph.knn import nearest_neighbors
from hilander.stages import evaluate

pytest.importorskip("jinja2")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder as the earlier stages leave it: grey squares, their embeddings and graphs, an untrained model."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = np.repeat([f"class{c:02d}" for c in range(24)], 6)
    centres = np.repeat(rng.normal(size=(24, 16)), 6, axis=0)
    embeddings = check_embeddings(centres + 0.4 * rng.normal(size=centres.shape))
    ids = np.array([f"item{i}" for i in range(len(labels))])
    pictures = []
    for i in range(len(labels)):
        content = io.BytesIO()
        Image.new("L", (12, 12), i).save(content, "PNG")
        pictures.append(content.getvalue())
    write_dataset(Dataset(ids=ids, labels=labels, images=Images(pictures, ids)), "data/squares.parquet")
    (tmp_path / "params.yaml").write_text(
        "{data: {path: data, test_share: 0.4}, evaluate: {baselines: [finch, hdbscan]}}"
    )
    dataset = Dataset(ids=ids, labels=labels, embeddings=embeddings)
    for split, items in zip(("train", "test"), train_test(dataset, load_params().data), strict=True):
        embedded, graph = tmp_path / "artifacts/embeddings" / split, tmp_path / "artifacts/graph" / split
        embedded.mkdir(parents=True)
        graph.mkdir(parents=True)
        np.save(embedded / "embeddings.npy", items.embeddings)
        pd.DataFrame({"id": items.ids, "label": items.labels}).to_parquet(embedded / "items.parquet")
        neighbors, similarities = nearest_neighbors(items.embeddings, 10)
        np.save(graph / "neighbors.npy", neighbors)
        np.save(graph / "similarities.npy", similarities)
    HiLander().save("artifacts/lander/hilander")
    return tmp_path


def test_the_stage_writes_figures_plots_clusters_and_report(project, capsys):
    evaluate.main()
    printed = capsys.readouterr().out
    assert "FINCH" in printed
    assert printed.rstrip().endswith(str(project / "reports/report.html"))
    metrics = json.loads((project / "reports/metrics.json").read_text())
    assert set(metrics) == {"test", "hilander", "finch", "hdbscan", "ceiling"}
    assert metrics["hilander"]["f_pairwise"] > 0.8
    clusters = pd.read_parquet(project / "artifacts/clusters/test.parquet")
    assert list(clusters.columns) == ["id", "label", "cluster", "probability"]
    assert len(clusters) == metrics["test"]["items"]
    assert len(pd.read_csv(project / "reports/plots/methods.csv")) == 4
    assert "data:image/png" in (project / "reports/report.html").read_text()


def test_a_missing_model_is_one_sentence_and_leaves_the_old_figures(project):
    old = project / "reports/metrics.json"
    old.parent.mkdir()
    old.write_text("{}")
    (project / "artifacts/lander/hilander/config.json").unlink()
    with pytest.raises(SystemExit, match=r"^evaluate: "):
        runpy.run_path(evaluate.__file__, run_name="__main__")
    assert old.read_text() == "{}"
