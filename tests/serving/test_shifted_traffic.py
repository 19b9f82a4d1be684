"""What comes in over HTTP is captured, and raises the alarm where it has shifted."""

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from hilander.embeddings import check_embeddings
from hilander.models.similarity import SimilarityModel
from hilander.monitoring.capture import read_captures
from hilander.monitoring.drift import DriftMonitor, DriftSettings
from hilander.releases import Items, publish_release, release_in_service

WIDTH = 12


def classes(n_classes, seed):
    """Ten rows around each of some directions."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), 10)
    rows = rng.normal(size=(n_classes, WIDTH))[labels] + 0.4 * rng.normal(size=(len(labels), WIDTH))
    return check_embeddings(rows), labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make):
    """A release with a catalogue that is large enough for a verdict."""
    from hilander.encoder.torch_encoder import TorchEncoder

    folder = tmp_path_factory.mktemp("shifted")
    SimilarityModel().save(folder / "lander")
    TorchEncoder("conv", image_size=16, width=4, embedding_size=WIDTH, device="cpu").save(folder / "encoder")
    embeddings, labels = classes(60, 0)
    ids = [str(i) for i in range(len(labels))]
    publish_release(
        folder / "models",
        lander=folder / "lander",
        encoder=folder / "encoder",
        reference=Items(embeddings, pd.DataFrame({"id": ids, "label": labels.astype(str)})),
        catalogue=Items(embeddings, pd.DataFrame({"id": ids, "cluster": labels, "probability": 0.9})),
        metrics={},
        provenance={},
    )
    return folder


@pytest.mark.parametrize(("shift", "drifted"), [(0.0, False), (1.0, True)])
def test_shifted_traffic_raises_the_alarm(folder, make, monkeypatch, shift, drifted):
    from hilander.serving.app import make_app

    url = str(folder / f"captured {shift}")
    path = make.configuration(folder, limits={}, capture={"url": url})
    monkeypatch.setenv("HILANDER_SERVING_CONFIG", str(path))
    with TestClient(make_app()) as client:
        for seed in (1, 2):
            traffic = classes(20, seed)[0] + shift * np.eye(WIDTH)[0]
            answer = client.post("/assign", content=make.npy(traffic), headers={"Content-Type": "application/x-npy"})
            assert answer.status_code == 200, answer.text

    captured = read_captures(url)  # the service writes what waits when it ends
    assert len(captured) == 400
    monitor = DriftMonitor.of_release(
        release_in_service(folder / "models"), use_model=False, settings=DriftSettings(n_draws=60, max_rows=128)
    )
    assert monitor.judge(captured.embeddings).drifted == drifted
