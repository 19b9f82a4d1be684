import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilander.graph import nearest, quantization
from hilander.graph.knn import nearest_neighbors
from hilander.graph.nearest import insert_nearest
from hilander.graph.quantization import multiply_codes, quantize


@pytest.fixture
def with_codes(monkeypatch):
    monkeypatch.setattr(quantization, "pays", lambda width: True)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def random_rows(n, d, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(n, d)))


def near_ties(n, d, apart):
    """Rows that differ by less than their codes do."""
    rng = np.random.default_rng(1)
    return unit(rng.normal(size=(1, d)) + apart * rng.normal(size=(n, d)))


def search(embeddings, k, block, order=None):
    """Every row's neighbours, found block after block of candidates."""
    n = len(embeddings)
    neighbors, similarities = np.full((n, k), -1), np.full((n, k), -np.inf, np.float32)
    order = np.arange(n) if order is None else order
    for start in range(0, n, block):
        of_block = order[start : start + block]
        insert_nearest(
            quantize(embeddings),
            np.arange(n),
            quantize(embeddings[of_block]),
            of_block,
            np.arange(n),
            neighbors,
            similarities,
        )
    return neighbors, similarities


def slow_truth(embeddings, k):
    similarities = embeddings.astype(np.float64) @ embeddings.T.astype(np.float64)
    np.fill_diagonal(similarities, -np.inf)
    return -np.sort(-similarities, axis=1)[:, :k]


beds = {
    "random": random_rows(300, 64),
    "one direction": unit(np.abs(random_rows(200, 48))),
    "near ties": near_ties(200, 64, 1e-3),
    "ties to rounding": near_ties(150, 64, 1e-6),
    "duplicates": np.repeat(random_rows(40, 64), 5, axis=0),
    "one large coordinate": unit(np.eye(80)[np.arange(240) % 80] + 0.01 * random_rows(240, 80)),
    "opposite": np.concatenate([random_rows(60, 64), -random_rows(60, 64)]),
}


@pytest.mark.parametrize("name", beds)
@pytest.mark.parametrize("k", [1, 10, 39])
def test_finds_what_all_pairs_show(with_codes, name, k):
    embeddings = beds[name]
    neighbors, similarities = search(embeddings, k, block=70)
    expected = slow_truth(embeddings, k)
    np.testing.assert_allclose(similarities, expected, atol=1e-6)
    of_found = np.einsum("nd,nkd->nk", embeddings.astype(np.float64), embeddings[neighbors].astype(np.float64))
    np.testing.assert_allclose(of_found, expected, atol=1e-6)  # another one only where it is as near
    assert (neighbors != np.arange(len(embeddings))[:, None]).all()
    assert all(len(set(row)) == k for row in neighbors.tolist())


@pytest.mark.parametrize("by_codes", [True, False])
@pytest.mark.parametrize("name", beds)
def test_neither_blocks_nor_their_order_change_a_bit(monkeypatch, name, by_codes):
    monkeypatch.setattr(quantization, "pays", lambda width: by_codes)
    embeddings = beds[name]
    whole = search(embeddings, 12, block=len(embeddings))
    for block in (1, 13, 64):
        for order in (None, np.random.default_rng(block).permutation(len(embeddings))):
            found = search(embeddings, 12, block, order)
            np.testing.assert_array_equal(found[0], whole[0])
            np.testing.assert_array_equal(found[1], whole[1])


@pytest.mark.parametrize("name", beds)
@pytest.mark.parametrize("last_similarity", [-np.inf, 0.3, 0.9, 1.0])
def test_no_similarity_lies_above_its_bound(with_codes, name, last_similarity):
    quantized = quantize(beds[name])
    exact = beds[name].astype(np.float64) @ beds[name].astype(np.float64).T
    products = multiply_codes(quantized.codes, quantized.codes)
    bounds = quantized.scale, quantized.error, quantized.scale, quantized.error, nearest._rounding(quantized)
    most = np.empty(len(exact), np.float32)
    for row in range(len(exact)):
        nearest._bound(products, row, row, bounds, np.float32(last_similarity), most)
        assert (most > exact[row]).all()


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 30), st.floats(0, 2))
def test_codes_and_single_precision_find_the_same(seed, k, spread):
    rng = np.random.default_rng(seed)
    embeddings = unit(rng.normal(size=(6, 50))[rng.integers(6, size=90)] + spread * rng.normal(size=(90, 50)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantization, "pays", lambda width: True)
        by_codes = search(embeddings, k, 40)
        patch.setattr(quantization, "pays", lambda width: False)
        plainly = search(embeddings, k, 40)
    np.testing.assert_allclose(by_codes[1], plainly[1], atol=1e-6)


@pytest.mark.parametrize("by_codes", [True, False])
def test_among_equal_ones_the_lower_comes_first(monkeypatch, by_codes):
    monkeypatch.setattr(quantization, "pays", lambda width: by_codes)
    for order in (np.arange(8), np.arange(8)[::-1]):
        neighbors, _ = search(np.repeat(np.eye(1, 64, dtype=np.float32), 8, axis=0), 3, 5, order)
        assert neighbors.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], *[[0, 1, 2]] * 5]


def test_fewer_candidates_than_neighbors_leave_room(with_codes):
    neighbors, similarities = search(random_rows(4, 64), 6, block=2)
    assert (np.sort(neighbors, axis=1)[:, :3] == -1).all()
    assert np.isneginf(similarities[:, 3:]).all()


@pytest.mark.parametrize("method", ["exact", "ivf"])
def test_a_search_finds_the_same_without_codes(monkeypatch, method):
    rng = np.random.default_rng(3)
    embeddings = unit(rng.normal(size=(80, 64))[rng.integers(80, size=2500)] + 0.7 * rng.normal(size=(2500, 64)))
    monkeypatch.setattr(quantization, "pays", lambda width: True)
    neighbors, similarities = nearest_neighbors(embeddings, 15, method=method)
    monkeypatch.setattr(quantization, "pays", lambda width: False)
    plainly, similarities_plainly = nearest_neighbors(embeddings, 15, method=method)
    equal = neighbors == plainly
    assert equal.mean() > (0.999 if method == "exact" else 0.99)  # which lists a row probes depends on its codes
    np.testing.assert_allclose(similarities[equal], similarities_plainly[equal], atol=1e-6)
