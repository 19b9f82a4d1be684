"""Against a naive reference: message passing by DGL's update_all, linkage edge by edge."""

import dgl
import dgl.function as fn
import faiss
import numpy as np
import pytest
import torch
from torch import nn

from hilander.embeddings import check_embeddings
from hilander.graph.build import build_graph, in_edges
from hilander.graph.knn import nearest_neighbors
from hilander.graph.sampling import FullNeighborSampler
from hilander.nn.lander import Lander


def random_graph(n=60, k=5, d=7, seed=0):
    embeddings = check_embeddings(np.random.default_rng(seed).normal(size=(n, d)) + 0.5)
    graph = build_graph(*nearest_neighbors(embeddings, k))
    features = torch.from_numpy(np.concatenate([embeddings, np.roll(embeddings, 1, axis=0)], axis=1))
    return graph, features


def naive_predict(network, graph, features):
    """The same equations, one edge and one node at a time."""
    hidden = features
    for convolution in network.convolutions:
        if hasattr(convolution, "attention"):
            out = convolution.attention(graph, hidden) + convolution.bias
            hidden = torch.relu(out.mean(dim=1))
        else:
            with graph.local_scope():
                graph.ndata["x"] = hidden
                graph.update_all(fn.u_mul_e("x", "weight", "m"), fn.sum("m", "sum"))
                hidden = torch.relu(convolution.linear(torch.cat([hidden, graph.ndata["sum"]], dim=1)))
    linkage = torch.empty(graph.num_edges())
    density = torch.zeros(graph.num_nodes())
    for edge, (j, i) in enumerate(zip(*graph.edges(order="eid"), strict=True)):
        logits = network.classifier((network.source(hidden[j]) + network.destination(hidden[i]))[None])
        linkage[edge] = torch.softmax(logits, dim=1)[0, 1]
        density[i] += graph.edata["affinity"][edge] * (2 * linkage[edge] - 1) / graph.in_degrees(int(i))
    return linkage, density


@pytest.mark.parametrize("convolution", ["mean", "attention"])
@pytest.mark.parametrize("n_convolutions", [1, 2])
def test_linkage_and_density_agree_with_the_naive_reference(convolution, n_convolutions):
    torch.manual_seed(0)
    graph, features = random_graph()
    network = Lander(14, 16, n_convolutions, convolution, n_heads=2).eval()
    with torch.no_grad():
        linkage, density = naive_predict(network, graph, features)
        logits, batch_density = network([in_edges(graph)] * (n_convolutions + 1), features)
    fast_linkage, fast_density = network.predict(in_edges(graph), features)
    for found in (fast_linkage, torch.softmax(logits, dim=1)[:, 1]):
        torch.testing.assert_close(found, linkage, atol=1e-5, rtol=0)
    for found in (fast_density, batch_density):
        torch.testing.assert_close(found, density, atol=1e-5, rtol=0)


@pytest.mark.parametrize("n_alone", [1, 59, 60])
def test_nodes_that_are_their_own_cluster_agree_with_the_naive_reference_beside_others(n_alone):
    torch.manual_seed(0)
    graph, features = random_graph()
    features[:n_alone, 7:] = features[:n_alone, :7]
    network = Lander(14, 16).eval()
    with torch.no_grad():
        linkage, _ = naive_predict(network, graph, features)
    torch.testing.assert_close(network.predict(in_edges(graph), features)[0], linkage, atol=1e-5, rtol=0)


@pytest.mark.parametrize("convolution", ["mean", "attention"])
def test_sampled_blocks_predict_what_the_full_graph_predicts(convolution):
    torch.manual_seed(0)
    graph, features = random_graph()
    network = Lander(14, 16, convolution=convolution).eval()
    linkage, density = network.predict(in_edges(graph), features)
    nodes = torch.tensor([3, 40, 17, 59])
    sampler = FullNeighborSampler(2)
    sources, _, blocks = sampler.sample(graph, nodes)
    with torch.no_grad():
        logits, block_density = network([in_edges(block) for block in blocks], features[sources])
    torch.testing.assert_close(block_density, density[nodes], atol=1e-5, rtol=0)
    parent_edges = blocks[-1].edata[dgl.EID][in_edges(blocks[-1]).edge_ids]
    block_linkage = torch.softmax(logits, dim=1)[:, 1]
    torch.testing.assert_close(block_linkage, linkage[parent_edges], atol=1e-5, rtol=0)


def test_edge_features_reach_the_linkage():
    torch.manual_seed(0)
    graph, features = random_graph()
    edges = in_edges(graph)
    network = Lander(14, 16, n_edge_features=3)
    without, _ = network.predict(edges, features, torch.zeros(graph.num_edges(), 3))
    with_ones, _ = network.predict(edges, features, torch.ones(graph.num_edges(), 3))
    assert not torch.allclose(without, with_ones)


def test_several_threads_predict_what_one_does(monkeypatch):
    """Threads once could not read the weights: inference mode is that of the calling thread alone."""
    monkeypatch.setattr("hilander.nn.lander_inference._NODES_PER_BLOCK", 8)
    monkeypatch.setattr("hilander.nn.lander_inference._EDGES_PER_BLOCK", 32)
    graph, features = random_graph()
    edge_features = torch.randn(graph.num_edges(), 3)
    network = Lander(14, 16, n_edge_features=3)
    before, found = faiss.omp_get_max_threads(), []
    for n_threads in (1, 3):
        faiss.omp_set_num_threads(n_threads)
        found.append(network.predict(in_edges(graph), features, edge_features))
    faiss.omp_set_num_threads(before)
    for one, several in zip(*found, strict=True):
        torch.testing.assert_close(one, several)


def test_a_node_without_positive_similarity_gets_finite_predictions():
    embeddings = check_embeddings([[1, 0], [0.9, 0.1], [-1, -0.2]])
    graph = build_graph(*nearest_neighbors(embeddings, 2))
    linkage, density = Lander(2, 8).predict(in_edges(graph), torch.from_numpy(embeddings))
    assert torch.isfinite(linkage).all()
    assert density[2] == 0


def test_prediction_leaves_the_training_mode_as_it_was():
    graph, features = random_graph()
    network = Lander(14, 8, dropout=0.5).train()
    network.predict(in_edges(graph), features)
    assert network.training


def test_unknown_convolution_is_named():
    with pytest.raises(ValueError, match="mean, attention; got 'sum'"):
        Lander(4, convolution="sum")
    assert isinstance(Lander(4, 8), nn.Module)


@pytest.mark.parametrize("n_convolutions", [1, 2])
def test_equal_halves_are_folded_without_another_result(n_convolutions, monkeypatch):
    torch.manual_seed(0)
    graph, features = random_graph(n=300)
    features = torch.cat([features[:, :7], features[:, :7]], dim=1)
    network = Lander(14, 16, n_convolutions)
    monkeypatch.setattr("hilander.nn.lander_inference._NODES_PER_BLOCK", 64)
    monkeypatch.setattr("hilander.nn.lander_inference._EDGES_PER_BLOCK", 64)
    with torch.no_grad():
        linkage, density = naive_predict(network, graph, features)
    for found, expected in zip(network.predict(in_edges(graph), features), (linkage, density), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    folded = network.convolutions[0].folded(features)
    assert folded[0].shape[1] == 7
    logits, _ = network([in_edges(graph)] * (n_convolutions + 1), features)
    gradient = torch.autograd.grad(logits.square().sum(), network.convolutions[0].linear.weight)[0]
    monkeypatch.setattr(type(network.convolutions[0]), "folded", lambda self, x: (x, self.linear.weight))
    logits, _ = network([in_edges(graph)] * (n_convolutions + 1), features)
    expected = torch.autograd.grad(logits.square().sum(), network.convolutions[0].linear.weight)[0]
    torch.testing.assert_close(gradient, expected, atol=1e-4, rtol=1e-4)
