"""Commands as a test calls them, and a folder of what they read."""

import numpy as np
import pytest
from typer.testing import CliRunner

from hilander.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def blobs(n_classes=20, size=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), size)
    return rng.normal(size=(n_classes, 16))[labels] + 0.25 * rng.normal(size=(len(labels), 16)), labels


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Labelled embeddings, unlabelled ones of other classes, and the labels of these."""
    monkeypatch.chdir(tmp_path)
    embeddings, labels = blobs()
    np.savez("labelled.npz", embeddings=embeddings, labels=labels)
    others, other_labels = blobs(seed=1)
    np.save("others.npy", others)
    np.save("true.npy", other_labels)
    return tmp_path
