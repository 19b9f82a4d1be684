import faiss
import numpy as np
import pytest

from hilander.graph import kmeans, quantization
from hilander.graph.kmeans import nearest_centroid, spherical_kmeans


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(params=[True, False], ids=["codes", "no codes"], autouse=True)
def with_codes(request, monkeypatch):
    monkeypatch.setattr(quantization, "pays", lambda width: request.param)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(12, 64))[rng.integers(12, size=1500)] + 0.5 * rng.normal(size=(1500, 64)))


def test_a_round_moves_centroids_to_the_mean_directions_of_their_rows(rows):
    start = spherical_kmeans(rows, 20, n_rounds=0, random_state=3)
    assert all((rows == centroid).all(axis=1).any() for centroid in start)
    own = nearest_centroid(rows, start)
    moved = spherical_kmeans(rows, 20, n_rounds=1, random_state=3)
    np.testing.assert_allclose(moved, unit(np.stack([rows[own == c].sum(axis=0) for c in range(20)])), atol=1e-5)


def test_the_nearest_centroid_is_so_to_a_thousandth(rows):
    centroids = spherical_kmeans(rows, 30, n_rounds=2, random_state=0)
    similarity = rows @ centroids.T
    found = np.take_along_axis(similarity, nearest_centroid(rows, centroids)[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(found, similarity.max(axis=1), atol=5e-3)


def test_rounds_bring_rows_nearer_to_their_centroids(rows):
    cohesion = [
        (rows @ spherical_kmeans(rows, 12, n_rounds=rounds, random_state=1).T).max(axis=1).mean()
        for rounds in (0, 1, 4)
    ]
    assert cohesion[0] < cohesion[1] <= cohesion[2] + 1e-3


def test_a_centroid_without_rows_stays():
    rows = np.repeat(unit(np.random.default_rng(0).normal(size=(2, 64))), 5, axis=0)
    centroids = spherical_kmeans(rows, 6, n_rounds=3, random_state=0)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)


def test_the_number_of_threads_changes_no_bit(rows, monkeypatch):
    monkeypatch.setattr(kmeans, "_ROWS_PER_BLOCK", 100)
    before, found = faiss.omp_get_max_threads(), []
    for n_threads in (1, 3):
        faiss.omp_set_num_threads(n_threads)
        found.append(spherical_kmeans(rows, 9, n_rounds=3, random_state=0))
    faiss.omp_set_num_threads(before)
    np.testing.assert_array_equal(*found)
