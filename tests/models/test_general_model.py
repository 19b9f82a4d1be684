import numpy as np
import pytest

from hilander import HiLander
from hilander.data.synthetic_embeddings import draw_embeddings
from hilander.metrics import score
from hilander.models.general_model import FOLDER
from hilander.models.similarity import SimilarityModel


def test_it_is_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 5e6


@pytest.mark.parametrize("d", [32, 200, 1024])
def test_clusters_what_it_has_not_seen_at_any_width(d):
    embeddings, labels = draw_embeddings(500, d, seed=1000 + d)
    ours = score(labels, HiLander().fit_predict(embeddings))
    untrained = score(labels, HiLander(SimilarityModel()).fit_predict(embeddings))
    assert ours["f_bcubed"] > untrained["f_bcubed"]


@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_few_items(n):
    embeddings = np.random.default_rng(n).normal(size=(n, 64))
    labels = HiLander().fit_predict(embeddings)
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))


def test_six_points_of_three_groups():
    angles = np.radians([0, 2, 4, 90, 91, 180])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert HiLander().fit_predict(embeddings).tolist() == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        ([[1, 0], [-1, 0]], [0, 1]),
        ([[1, 0], [0.99, 0.14]], [0, 0]),
        ([[1, 0], [0, 1], [0.9, 0.1]], [0, 1, 0]),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 1, 2]),
        ([[1, 0], [0.98, 0.1], [0, 1], [0.1, 0.98], [-1, 0]], [0, 0, 1, 1, 2]),
    ],
)
def test_in_a_handful_of_items_the_similarity_decides(rows, labels):
    clusterer = HiLander().fit(np.array(rows))
    assert clusterer.labels_.tolist() == labels
    assert clusterer.predict(np.array(rows)).tolist() == labels
