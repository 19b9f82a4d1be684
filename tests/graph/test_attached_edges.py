"""Edges between new and fitted points are described as in a graph of both."""

from itertools import combinations

import numpy as np
import pytest

from hilander.embeddings import check_embeddings
from hilander.graph.attached_edges import FittedNeighborhoods, attached_triangles
from hilander.graph.knn import nearest_neighbors, search_neighbors
from hilander.graph.pairs import undirected_edges
from hilander.graph.quantization import quantize
from hilander.graph.relations import relational_features


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return check_embeddings(rng.normal(size=(300, 6))), check_embeddings(rng.normal(size=(4, 6)))


def test_the_features_are_those_of_a_graph_of_the_fitted_points_and_one_new_one(points):
    fitted, new = points
    neighborhoods = FittedNeighborhoods(fitted, *nearest_neighbors(fitted, 40))
    found = search_neighbors(new, quantize(fitted), 40)
    edges = np.stack([np.repeat(np.arange(4), 20), np.sort(found[0][:, :20], axis=1).ravel()], axis=1)
    described = neighborhoods.describe(new, *found, edges)

    for row in range(4):
        own = edges[edges[:, 0] == row, 1]
        whole = relational_features(
            np.concatenate([fitted, new[row : row + 1]]),
            np.concatenate([neighborhoods.neighbors, found[0][row : row + 1]]),
            np.concatenate([neighborhoods.similarities, found[1][row : row + 1]]),
            np.stack([own, np.full(len(own), len(fitted))], axis=1),
        )
        np.testing.assert_allclose(described[edges[:, 0] == row], whole, rtol=1e-4, atol=1e-5)


def test_triangles_have_one_new_point_and_an_edge_between_fitted_ones(points):
    fitted, new = points
    fitted_edges = undirected_edges(nearest_neighbors(fitted, 8)[0])
    ends = search_neighbors(new, quantize(fitted), 15)[0]
    edges = np.stack([np.repeat(np.arange(4), 15), np.sort(ends, axis=1).ravel()], axis=1)
    starts = np.searchsorted(fitted_edges[:, 0], np.arange(len(fitted) + 1))

    triangles, sides = attached_triangles(edges, fitted_edges, starts)

    found = {frozenset([*edges[a], *edges[b], *(-1 - fitted_edges[sides[c - len(edges)]])]) for a, b, c in triangles}
    joined = {tuple(pair) for pair in fitted_edges.tolist()}
    truth = {
        frozenset([row, i, j, -1 - i, -1 - j])
        for row in range(4)
        for i, j in combinations(np.sort(ends[row]).tolist(), 2)
        if (i, j) in joined
    }
    assert found == truth
    assert len(triangles) == len(truth) > 0
