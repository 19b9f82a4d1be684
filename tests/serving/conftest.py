"""A small release, and the whole service around it in this process."""

import io
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="prometheus-"))

WIDTH = 8
TOKEN = "correct horse battery staple"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
LIMITS = {
    "max_rows": 300,
    "max_width": 16,
    "max_rows_at_once": 200,
    "max_bytes": 200_000,
    "max_json_bytes": 60_000,
    "max_images": 5,
    "max_image_pixels": 10_000,
}


def blobs(n, seed=0):
    """Rows around five directions."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(7).normal(size=(5, WIDTH))
    return (centers[np.arange(n) % 5] + 0.1 * rng.normal(size=(n, WIDTH))).astype(np.float32)


def make_release(models, *, seed=0):
    """Publish a release of the general model with an untrained encoder, the same one for the same seed."""
    import torch

    from hilander.embeddings import check_embeddings
    from hilander.encoder.torch_encoder import TorchEncoder
    from hilander.estimator import HiLander
    from hilander.releases import Items, publish_release

    folder = models.parent / f"made-{seed}"
    HiLander().save(folder / "lander")
    torch.manual_seed(seed)  # some draws leave nothing of a simple picture but zeros
    TorchEncoder("conv", image_size=16, width=4, embedding_size=WIDTH, device="cpu").save(folder / "encoder")
    embeddings = check_embeddings(blobs(60, seed))
    labels = HiLander().fit_predict(embeddings)
    ids = [f"item {i}" for i in range(60)]
    return publish_release(
        models,
        lander=folder / "lander",
        encoder=folder / "encoder",
        reference=Items(embeddings, pd.DataFrame({"id": ids, "label": labels.astype(str)})),
        catalogue=Items(embeddings, pd.DataFrame({"id": ids, "cluster": labels, "probability": 0.9})),
        metrics={"f_pairwise": 0.8},
        provenance={"data": f"blobs {seed}"},
    )


def write_configuration(folder, **changes):
    """Write a serving.yaml with a token, small limits and everything below `folder`."""
    from hilander.serving.tokens import token_digest

    configuration = {
        "models": str(folder / "models"),
        "reload_seconds": 0.1,
        "limits": LIMITS,
        "tasks": {"folder": str(folder / "tasks"), "max_waiting": 1},
        "security": {"tokens": [{"name": "tests", "sha256": token_digest(TOKEN)}]},
        "capture": {"url": str(folder / "captured"), "max_seconds_per_part": 0.2},
        **changes,
    }
    path = folder / "serving.yaml"
    path.write_text(yaml.safe_dump(configuration))
    return path


def move_link(models, version):
    """Put a version into service as a tool does that looks at nothing."""
    link = models / ".moved"
    link.symlink_to(Path("versions") / version)
    link.replace(models / "in_service")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    make_release(folder / "models")
    write_configuration(folder)
    return folder


@pytest.fixture(scope="session")
def client(folder):
    """The real service, all of its layers, with a token."""
    from starlette.testclient import TestClient

    from hilander.serving.service import HilanderService

    os.environ["HILANDER_SERVING_CONFIG"] = str(folder / "serving.yaml")
    with TestClient(HilanderService.to_asgi(), headers=AUTHORIZED, raise_server_exceptions=False) as client:
        yield client


def npy(array):
    """The bytes that numpy.save writes."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def png(size=(20, 20), ink=3):
    """A small picture of a bar."""
    image = Image.new("L", size, 255)
    image.paste(0, (ink, 2, ink + 4, size[1] - 2))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def make():
    """What tests make their requests and services of."""
    return SimpleNamespace(
        move_link=move_link,
        blobs=blobs,
        npy=npy,
        png=png,
        release=make_release,
        configuration=write_configuration,
        token=TOKEN,
        width=WIDTH,
    )
