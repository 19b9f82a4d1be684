import numpy as np
import pytest
import torch

from hilander.data.synthetic_embeddings import draw_embeddings
from hilander.graph.relational_graph import first_graph
from hilander.graph.super_graph import super_graph
from hilander.nn.relational_lander import RelationalLander
from hilander.training.connected_batches import LabelledGraph, connected_batches, mixed_batches
from hilander.training.labelled_set import LabelledSet


@pytest.fixture(scope="module")
def parts():
    """One part of each of a few small graphs."""
    batches = []
    for seed, n in enumerate((60, 90, 200, 45)):
        labelled = LabelledSet(*draw_embeddings(n, 32, seed=seed))
        graph = first_graph(labelled.embeddings, *labelled.nearest)
        level = LabelledGraph(graph, np.arange(n), labelled.labels)
        batches += connected_batches(level, 1, 900, np.random.default_rng(0), torch.device("cpu"))
    return batches


def test_small_parts_side_by_side_are_predicted_as_each_by_itself(parts):
    (together,) = mixed_batches(parts, 0)
    torch.manual_seed(0)
    network = RelationalLander(together.inputs[0].shape[1]).eval()
    alone = [network(*batch.inputs) for batch in parts]
    logits, density = network(*together.inputs)
    order = np.random.default_rng(0).permutation(len(parts))
    torch.testing.assert_close(logits[-1], torch.cat([alone[i][0][-1] for i in order]))
    torch.testing.assert_close(density, torch.cat([alone[i][1] for i in order]))
    assert torch.equal(together.linked, torch.cat([parts[i].linked for i in order]))
    assert torch.equal(together.node_counts, torch.cat([parts[i].node_counts for i in order]))


def test_large_parts_stay_by_themselves_and_none_is_lost(parts, monkeypatch):
    monkeypatch.setattr("hilander.training.connected_batches._EDGES_PER_STEP", 1)
    mixed = list(mixed_batches(parts, 1))
    assert sorted(len(batch.linked) for batch in mixed) == sorted(len(batch.linked) for batch in parts)


def test_a_part_of_too_many_edges_has_a_smaller_core():
    drawn = LabelledSet(*draw_embeddings(600, 32, seed=1))
    level = LabelledGraph(first_graph(drawn.embeddings, *drawn.nearest), np.arange(600), drawn.labels)

    def parts_of(max_edges):
        return connected_batches(level, 4, 300, np.random.default_rng(0), torch.device("cpu"), max_edges)

    whole = parts_of(None)
    most = max(len(part.inputs[1]) for part in whole)
    assert [len(part.inputs[1]) for part in parts_of(most)] == [len(part.inputs[1]) for part in whole]
    for part in parts_of(most // 2):
        assert 0 < len(part.inputs[1]) <= most // 2
        assert part.edge_counts.any()
    assert all(part.edge_counts.any() for part in parts_of(1))  # of which no core is small enough


def test_targets_are_those_of_the_whole_graph_where_they_count():
    labelled = LabelledSet(*draw_embeddings(500, 32, seed=2))
    items = first_graph(labelled.embeddings, *labelled.nearest)
    members = np.random.default_rng(0).permutation(500) % 90  # clusters of several classes
    graph = super_graph(labelled.embeddings, items.edges, np.full(len(items.edges), 0.3, np.float32), members)
    counts = np.zeros((90, labelled.labels.max() + 1))
    np.add.at(counts, (members, labelled.labels), 1)
    i, j = graph.edges.T
    pairs = counts.sum(axis=1)[i] * counts.sum(axis=1)[j]
    linked = (counts[i] * counts[j]).sum(axis=1) / pairs
    weight = np.sqrt(pairs) / np.sqrt(pairs).mean()
    density = [
        np.mean([max(graph.features[e, 0], 0) * (2 * linked[e] - 1) for e in np.flatnonzero((i == node) | (j == node))])
        for node in range(90)
    ]
    level = LabelledGraph(graph, members, labelled.labels)
    for part in connected_batches(level, 5, 30, np.random.default_rng(1), torch.device("cpu")):
        rows = [int(np.flatnonzero((graph.features == row).all(axis=1))[0]) for row in part.inputs[0].numpy()]
        nodes = np.unique(graph.edges[rows])
        np.testing.assert_allclose(part.linked, linked[rows], atol=1e-6)
        np.testing.assert_allclose(part.weight, weight[rows], rtol=1e-6)
        np.testing.assert_allclose(
            part.density[part.node_counts], np.array(density)[nodes][part.node_counts], atol=1e-6
        )
        assert part.node_counts.sum() == 30
