from itertools import combinations

import numpy as np
import pytest
import torch

from hilander.graph import linkage_context
from hilander.graph.linkage_context import LinkageContext
from hilander.nn.context_network import ContextNetwork


@pytest.fixture
def linked():
    rng = np.random.default_rng(0)
    edges = np.array([pair for pair in combinations(range(60), 2) if rng.random() < 0.4], np.int64)
    return rng.random(len(edges)).astype(np.float32), edges, 60


def some_network():
    torch.manual_seed(0)
    network = ContextNetwork()
    torch.nn.init.normal_(network.layers[-1].weight)
    return network.eval()


def test_untrained_it_changes_nothing(linked):
    np.testing.assert_allclose(ContextNetwork().correct(*linked), linked[0], atol=1e-4)


def test_a_network_trained_before_the_last_feature_was_known_corrects_by_the_first_ones(linked):
    torch.manual_seed(0)
    network = ContextNetwork(len(linkage_context.LINKAGE_CONTEXT) - 1).eval()
    torch.nn.init.normal_(network.layers[-1].weight)
    with torch.inference_mode():
        expected = network(torch.from_numpy(LinkageContext(*linked)[:][:, :-1])).sigmoid().numpy()
    np.testing.assert_allclose(network.correct(*linked), expected, atol=1e-5)


def test_chunks_are_corrected_as_the_whole(linked, monkeypatch):
    network = some_network()
    with torch.inference_mode():
        expected = network(torch.from_numpy(LinkageContext(*linked)[:])).sigmoid().numpy()
    monkeypatch.setattr(linkage_context, "_EDGES_PER_CHUNK", 50)
    corrected = network.correct(*linked)
    assert corrected.dtype == np.float32
    assert np.abs(corrected - linked[0]).max() > 0.1
    np.testing.assert_allclose(corrected, expected, atol=1e-5)


def test_inputs_far_from_those_of_training_are_bounded(linked):
    network = some_network()
    with torch.inference_mode():
        far, farther = (network(torch.full((1, 15), value)) - value for value in (1e3, 1e6))
    assert far.isfinite().all()
    torch.testing.assert_close(far, farther, atol=0.2, rtol=0)


def test_no_edges():
    corrected = some_network().correct(np.empty(0, np.float32), np.empty((0, 2), np.int64), 4)
    assert corrected.shape == (0,)
