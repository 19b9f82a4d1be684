import faiss
import numpy as np
import pytest
import torch

from hilander import paged_arrays
from hilander.graph.knn import nearest_neighbors
from hilander.graph.relational_graph import EDGE_FEATURES, first_graph
from hilander.nn import chunked_lander
from hilander.nn.chunked_lander import link_in_chunks
from hilander.nn.edge_kernels import normalize_inputs
from hilander.nn.relational_lander import RelationalLander


@pytest.fixture(scope="module")
def graph():
    points = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return first_graph(points, *nearest_neighbors(points, 12))


@pytest.fixture(scope="module")
def network(graph):
    torch.manual_seed(0)
    network = RelationalLander(len(EDGE_FEATURES))
    network.set_standardization(torch.from_numpy(graph.features))
    for message_round in network.rounds:  # the scale and shift of LayerNorm, which start as 1 and 0
        torch.nn.init.normal_(message_round.update[0].weight)
        torch.nn.init.normal_(message_round.update[0].bias)
    return network.eval()


@pytest.mark.parametrize("rows", [10_000, 97])
@pytest.mark.parametrize("in_file", [False, True])
def test_equals_the_whole_forward(graph, network, monkeypatch, rows, in_file):
    features = graph.features.copy()
    features[::7, 0] *= -1  # opposite rows: of their similarity the density takes 0
    features[::11, 1:] *= 100  # and outliers, which are clipped
    with torch.no_grad():
        arrays = features, graph.edges, graph.triangles, graph.degrees
        logits, density = network(*(torch.from_numpy(array) for array in arrays))
    monkeypatch.setattr(chunked_lander, "_EDGES_IN_CACHE", 64)
    monkeypatch.setattr(chunked_lander, "_EDGES_PER_WINDOW", 300)
    monkeypatch.setattr(chunked_lander, "_NODES_PER_PART", 70)
    if in_file:
        monkeypatch.setattr(paged_arrays, "_LARGEST_IN_MEMORY", 0)
    chunks = (features[start : start + rows] for start in range(0, len(graph.edges), rows))
    linkage, found = link_in_chunks(network, chunks, graph.edges, graph.degrees)
    np.testing.assert_allclose(linkage, logits[-1].sigmoid(), atol=1e-5)
    np.testing.assert_allclose(found, density, atol=1e-5)


def test_a_network_from_before_the_last_features_reads_the_first_ones(graph):
    torch.manual_seed(0)
    older = RelationalLander(graph.features.shape[1] - 4).eval()
    fewer = graph.features[:, :-4].copy()
    found, _ = link_in_chunks(older, [graph.features], graph.edges, graph.degrees)
    expected, _ = link_in_chunks(older, [fewer], graph.edges, graph.degrees)
    np.testing.assert_array_equal(found, expected)
    with torch.no_grad():
        arrays = graph.features, graph.edges, graph.triangles, graph.degrees
        logits, _ = older(*(torch.from_numpy(array) for array in arrays))
    np.testing.assert_allclose(found, logits[-1].sigmoid(), atol=1e-5)


def test_a_graph_without_edges(network):
    linkage, density = link_in_chunks(network, iter(()), np.empty((0, 2), np.int64), np.zeros(3, np.float32))
    assert linkage.shape == (0,)
    assert density.tolist() == [0, 0, 0]


def test_the_number_of_threads_changes_no_bit(graph, network, monkeypatch):
    monkeypatch.setattr(chunked_lander, "_EDGES_IN_CACHE", 64)
    before = faiss.omp_get_max_threads()
    found = []
    for n_threads in (1, 3):
        faiss.omp_set_num_threads(n_threads)
        found.append(link_in_chunks(network, [graph.features], graph.edges, graph.degrees))
    faiss.omp_set_num_threads(before)
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_inputs_that_hardly_differ_are_not_blown_up():
    rng = np.random.default_rng(0)
    edges = np.array([[0, 1], [1, 2]])
    for size in (0, 1e-3):
        states, nodes = (np.float32(size) * rng.random((n, 4), np.float32) for n in (2, 3))
        none, strength = np.zeros((2, 2), np.float32), np.zeros((3, 2), np.float32)
        found = np.empty((2, 3 * 4 + 4 * 2), np.float32)
        normalize_inputs(edges, states, none, none, nodes, strength, np.float32(1e-5), found)
        ends = nodes[edges]
        inputs = np.concatenate([states, ends.sum(axis=1), abs(ends[:, 0] - ends[:, 1]), np.zeros((2, 8))], axis=1)
        expected = torch.nn.functional.layer_norm(torch.from_numpy(inputs), (20,), eps=1e-5)
        np.testing.assert_allclose(found, expected, atol=1e-5)
