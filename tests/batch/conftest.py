import numpy as np
import pandas as pd
import pytest

from hilander import HiLander
from hilander.encoder.torch_encoder import TorchEncoder
from hilander.releases import Items, publish_release

WIDTH = 16


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder of releases, with one in service: an untrained encoder and bare similarity."""
    folder = tmp_path_factory.mktemp("release")
    TorchEncoder("conv", 16, 8, WIDTH, device="cpu").save(folder / "encoder")
    HiLander().save(folder / "lander")
    embeddings = draw_embeddings(20, seed=9)
    publish_release(
        folder / "models",
        lander=folder / "lander",
        encoder=folder / "encoder",
        reference=Items(embeddings, pd.DataFrame({"id": "r", "label": "x"}, index=range(20))),
        catalogue=Items(embeddings, pd.DataFrame({"id": "c", "cluster": 0, "probability": 1.0}, index=range(20))),
        metrics={"f_pairwise": 0.77, "f_bcubed": 0.81},
        provenance={},
    )
    return folder / "models"


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory, draw_characters):
    """48 drawings: 8 characters, 6 drawings of each."""
    folder = tmp_path_factory.mktemp("images")
    for character, copy, image in draw_characters(8, 6, side=16, margin=2, shake=1):
        image.save(folder / f"{character}_{copy}.png")
    return folder


def draw_embeddings(n, seed, *, n_classes=6, classes_seed=1):
    """Unit vectors around few centres; the same `classes_seed` gives the same centres."""
    centres = np.random.default_rng(classes_seed).normal(size=(n_classes, WIDTH))
    rng = np.random.default_rng(seed)
    embeddings = centres[np.arange(n) % n_classes] + 0.15 * rng.normal(size=(n, WIDTH))
    return (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def save_embeddings(tmp_path):
    """Write named embeddings as a file that batch runs read."""

    def save(name, ids, embeddings):
        path = tmp_path / name
        np.savez(path, ids=np.asarray(ids, dtype=str), embeddings=embeddings)
        return path

    return save


@pytest.fixture(scope="session")
def embeddings_of_classes():
    return draw_embeddings
