import numpy as np
import pytest

from hilander.graph import quantization
from hilander.graph import spatial_order as module
from hilander.graph.spatial_order import nearest_pivot, order_by_pivots, spatial_order


@pytest.mark.parametrize("most_cells", [256, 4])
def test_neighbors_in_order_are_nearer_than_chance(monkeypatch, most_cells):
    monkeypatch.setattr(module, "_ROWS_PER_CELL", 20)
    monkeypatch.setattr(module, "_MOST_UNDIVIDED", 40)
    monkeypatch.setattr(module, "_CELLS", most_cells)  # with few, the cells are divided once more
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(40, 8))[rng.integers(40, size=900)] + 0.1 * rng.normal(size=(900, 8))
    embeddings = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    rows = rng.permutation(900)[:700]
    order = spatial_order(embeddings, rows)
    assert sorted(order.tolist()) == list(range(700))
    ordered = embeddings[rows[order]]
    of_one_class = (ordered[:-1] * ordered[1:]).sum(axis=1) > 0.9
    assert of_one_class.mean() > 0.25  # by chance one in 40


@pytest.mark.parametrize("by_codes", [True, False])
@pytest.mark.parametrize("n_pivots", [2, 15, 256])
def test_a_rows_nearest_pivot_does_not_depend_on_the_rows_beside_it(monkeypatch, n_pivots, by_codes):
    monkeypatch.setattr(quantization, "pays", lambda width: by_codes)
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(3000, 64)).astype(np.float32)
    pivots = embeddings[:n_pivots] + np.float32(1e-7) * embeddings[:1]
    pivots[1::2] = pivots[: n_pivots - 1 : 2]  # pairs whose similarities are told apart by their last bits alone
    pivots[1::2, ::2] = np.nextafter(pivots[1::2, ::2], np.float32(0))
    together = nearest_pivot(embeddings, np.arange(3000), pivots)
    for n_rows in (1, 3, 70, 1025):
        rows = rng.choice(3000, n_rows, replace=False)
        assert (nearest_pivot(embeddings, rows, pivots) == together[rows]).all()
        if not by_codes:
            most = (embeddings[rows].astype(np.float64) @ pivots.T.astype(np.float64)).max(axis=1)
            found = (embeddings[rows].astype(np.float64) * pivots[together[rows]]).sum(axis=1)
            np.testing.assert_allclose(found, most, atol=1e-5)


def test_there_are_more_cells_of_more_rows():
    directions = np.random.default_rng(0).normal(size=(4096, 4)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    n_cells = []

    def nearest(cell, pivots):
        n_cells.append(len(pivots[0]))
        return np.zeros(len(cell), np.int16)

    for n in (3000, 300_000, 1_000_000, 1_500_000):
        order_by_pivots(n, lambda rows: directions[rows % 4096], nearest)
    assert n_cells[::2] == [12, 1024, 1024, 1500]  # every other call divides large cells once more
