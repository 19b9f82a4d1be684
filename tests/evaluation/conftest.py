import numpy as np
import pytest


def draw_classes(n_classes, seed, *, spread=0.35, width=24):
    """Unit vectors in classes of 3 to 14, shuffled, with their class names."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 15, n_classes)
    centres = rng.normal(size=(n_classes, width))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    labels = rng.permutation(np.repeat(np.arange(n_classes), sizes))
    embeddings = centres[labels] + spread * rng.normal(size=(len(labels), width)) / np.sqrt(width)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings.astype(np.float32), np.array([f"class {seed}/{label}" for label in labels])


@pytest.fixture(scope="session")
def train_set():
    return draw_classes(40, 1)


@pytest.fixture(scope="session")
def test_set():
    return draw_classes(30, 2)
