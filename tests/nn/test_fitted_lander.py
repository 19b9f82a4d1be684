"""What a new node's edges see of a fitted graph, computed edge by edge."""

import numpy as np
import torch

from hilander.graph.attached_edges import attached_triangles
from hilander.graph.triangles import triangles as triangles_of
from hilander.nn.fitted_lander import FittedLander
from hilander.nn.relational_lander import RelationalLander

EDGES = np.array([[0, 1], [0, 2], [1, 2], [1, 3], [2, 3], [3, 4]])
NEW = np.array([[0, 0], [0, 1], [0, 3], [1, 3], [1, 4]])


def graph(n_features=5):
    torch.manual_seed(0)
    network = RelationalLander(n_features, hidden=6, width=8, n_rounds=2, n_channels=2).eval()
    features, new_features = torch.randn(len(EDGES), n_features), torch.randn(len(NEW), n_features)
    degrees = np.bincount(EDGES.ravel()).astype(np.float32)
    arrays = EDGES, triangles_of(EDGES, 5), degrees
    fitted = FittedLander(network, features.split(4), *(torch.from_numpy(array) for array in arrays))
    return network, features, new_features, degrees, fitted


def test_the_fitted_graph_is_linked_as_by_the_network():
    network, features, _, degrees, fitted = graph()
    arrays = EDGES, triangles_of(EDGES, 5), degrees
    logits, _ = network(features, *(torch.from_numpy(array) for array in arrays))
    torch.testing.assert_close(fitted.linkage, logits[-1].sigmoid())


def test_after_one_round_a_new_edge_has_what_it_has_in_the_graph_of_all():
    """One round looks no farther than the edges at both ends and the triangles."""
    network, features, new_features, degrees, _ = graph()
    network.rounds, network.readouts = network.rounds[:1], network.readouts[:2]
    arrays = EDGES, triangles_of(EDGES, 5), degrees
    fitted = FittedLander(network, features.split(4), *(torch.from_numpy(array) for array in arrays))
    starts = np.searchsorted(EDGES[:, 0], np.arange(6))
    joined = attached_triangles(NEW, EDGES, starts)
    linkage = fitted.link(new_features, *(torch.from_numpy(array) for array in (NEW, *joined)), n_new=2)

    for row in range(2):
        own = NEW[:, 0] == row
        ends = np.stack([NEW[own, 1], np.full(own.sum(), 5)], axis=1)
        edges = np.concatenate([EDGES, ends])
        order = np.lexsort(edges.T[::-1])
        arrays = edges[order], triangles_of(edges[order], 6), np.bincount(edges.ravel()).astype(np.float32)
        both = torch.cat([features, new_features[own]])[order]
        logits, _ = network(both, *(torch.from_numpy(array) for array in arrays))
        expected = logits[-1].sigmoid()[np.argsort(order)[len(EDGES) :]]
        torch.testing.assert_close(linkage[own], expected)


def test_in_later_rounds_a_new_edge_meets_the_fitted_ones_as_they_were_without_it():
    network, features, new_features, _, fitted = graph()
    joined = attached_triangles(NEW, EDGES, np.searchsorted(EDGES[:, 0], np.arange(6)))
    linkage = fitted.link(new_features, *(torch.from_numpy(array) for array in (NEW, *joined)), n_new=2)

    def refined(edges, states, kept=()):
        """Edge states of each round; the first of them are `kept`, where they are given."""
        order = np.lexsort(edges.T[::-1])
        sides = order.astype(np.int32)[triangles_of(edges[order], 6)]
        arrays = edges, sides, np.bincount(edges.ravel(), minlength=6).astype(np.float32)
        ends, sides, n_edges = (torch.from_numpy(array) for array in arrays)
        rounds = [states]
        for number, message_round in enumerate(network.rounds):
            linked = network.readouts[number](states)[:, 0].sigmoid()
            states = message_round(states, linked, ends, sides, n_edges)
            if kept:
                states = torch.cat([kept[number + 1], states[len(EDGES) :]])
            rounds.append(states)
        return rounds

    with torch.no_grad():
        without = refined(EDGES, network.first_states(features))
        for row in range(2):
            own = NEW[:, 0] == row
            edges = np.concatenate([EDGES, np.stack([NEW[own, 1], np.full(own.sum(), 5)], axis=1)])
            states = network.first_states(torch.cat([features, new_features[own]]))
            last = refined(edges, states, without)[-1][len(EDGES) :]
            torch.testing.assert_close(linkage[own], network.readouts[-1](last)[:, 0].sigmoid())
