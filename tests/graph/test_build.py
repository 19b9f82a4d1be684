import numpy as np
import torch

from hilander.embeddings import check_embeddings
from hilander.graph.build import build_graph, in_edges
from hilander.graph.knn import nearest_neighbors
from hilander.graph.targets import density_of, true_linkage


def test_edges_run_from_the_neighbors_in_the_lists_order():
    embeddings = check_embeddings(np.random.default_rng(0).normal(size=(30, 4)))
    neighbors, similarities = nearest_neighbors(embeddings, 6)
    graph = build_graph(neighbors, similarities)
    sources, destinations = graph.edges(order="eid")
    assert (sources.numpy() == neighbors.ravel()).all()
    assert (destinations.numpy() == np.repeat(np.arange(30), 6)).all()
    weights = graph.edata["weight"].reshape(30, 6)
    total = weights.sum(dim=1)
    has_affinity = torch.from_numpy((similarities > 0).any(axis=1))
    torch.testing.assert_close(total, has_affinity.float())
    assert (graph.edata["affinity"] >= 0).all()
    edges = in_edges(graph)
    assert torch.equal(edges.edge_ids, torch.arange(180))
    assert edges.n_destinations == 30


def test_density_agrees_with_the_sum_written_out():
    rng = np.random.default_rng(0)
    similarities = rng.uniform(-0.5, 1, size=(8, 3)).astype(np.float32)
    neighbors = rng.integers(8, size=(8, 3))
    labels = rng.integers(2, size=8)
    linkage = true_linkage(neighbors, labels)
    found = density_of(similarities, linkage)
    for i in range(8):
        total = 0.0
        for a, j in zip(similarities[i], neighbors[i], strict=True):
            total += max(a, 0) * (1 if labels[i] == labels[j] else -1)
        assert abs(found[i] - total / 3) < 1e-6
    assert density_of(np.empty((2, 0), np.float32), np.empty((2, 0), np.float32)).tolist() == [0, 0]
