"""A trained model, a folder of releases that holds it, and what can be done to them."""

import subprocess

import numpy as np
import pandas as pd
import pytest

from hilander.embeddings import check_embeddings
from hilander.encoder.identity_encoder import IdentityEncoder
from hilander.estimator import HiLander
from hilander.releases import Items, publish_release


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    HiLander().save(folder / "lander")
    IdentityEncoder(4).save(folder / "encoder")
    return folder


def items(seed, **columns):
    embeddings = check_embeddings(np.random.default_rng(seed).normal(size=(12, 4)).astype(np.float32))
    return Items(embeddings, pd.DataFrame({"id": [f"item {i}" for i in range(12)], **columns}))


def publish(parts, models, seed=0, **changes):
    content = {
        "lander": parts / "lander",
        "encoder": parts / "encoder",
        "reference": items(seed, label=list("aabbccddeeff")),
        "catalogue": items(seed + 100, cluster=range(12), probability=0.5),
        "metrics": {"f_pairwise": 0.8},
        "provenance": {"commit": "abc", "params": {"n_neighbors": (10, 5)}},
    }
    return publish_release(models, **content | changes)


@pytest.fixture
def models(parts, tmp_path):
    publish(parts, tmp_path / "models")
    return tmp_path / "models"


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def move_by_hand(models, version):
    subprocess.run(["ln", "-sfn", f"versions/{version}", str(models / "in_service")], check=True)
