from itertools import combinations

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from hilander.graph.triangles import triangles
from hilander.nn import relational_lander
from hilander.nn.relational_lander import RelationalLander

N_NODES, N_FEATURES = 9, 5


def random_inputs(seed=0):
    rng = np.random.default_rng(seed)
    edges = np.array([pair for pair in combinations(range(N_NODES), 2) if rng.random() < 0.6], np.int64)
    features = torch.from_numpy(rng.normal(size=(len(edges), N_FEATURES)).astype(np.float32))
    degrees = torch.from_numpy(np.bincount(edges.ravel(), minlength=N_NODES).astype(np.float32))
    return features, torch.from_numpy(edges), torch.from_numpy(triangles(edges, N_NODES)), degrees


def make_model(features):
    torch.manual_seed(0)
    model = RelationalLander(N_FEATURES, hidden=6, n_rounds=2, n_channels=2, width=8).eval()
    model.set_standardization(features)
    return model


def slow_round(layer, h, p, edges):
    """The formulas of MessageRound, edge by edge."""
    pairs = [tuple(pair) for pair in edges.tolist()]
    at = [[e for e, pair in enumerate(pairs) if i in pair] for i in range(N_NODES)]
    between = {frozenset(pair): e for e, pair in enumerate(pairs)}
    q = torch.cat([p[:, None], layer.to_channels(h).sigmoid()], dim=1)
    n = []
    for incident in at:
        active, likely = h[incident].relu(), p[incident][:, None]
        degree = torch.tensor([float(max(len(incident), 1))])
        mass = likely.sum(0)
        parts = [active.sum(0) / degree, (active * likely).sum(0) / (mass + 0.1), mass / 20, degree.log() / 3]
        n.append(layer.to_node(torch.cat(parts)).relu())
    rows = []
    for e, (i, j) in enumerate(pairs):
        common = [m for m in range(N_NODES) if {frozenset((i, m)), frozenset((j, m))} <= between.keys()]
        t = sum((q[between[frozenset((i, m))]] * q[between[frozenset((j, m))]] for m in common), torch.zeros_like(q[0]))
        s_i, s_j = q[at[i]].sum(0), q[at[j]].sum(0)
        jaccard = t / (s_i + s_j - 2 * q[e] - t + 0.3)
        overlap = t / (torch.minimum(s_i, s_j) - q[e] + 0.3)
        rows.append(torch.cat([h[e], n[i] + n[j], (n[i] - n[j]).abs(), t.log1p(), overlap, jaccard, q[e]]))
    return h + layer.update(torch.stack(rows))


def test_equals_its_formulas_edge_by_edge():
    features, edges, sides, degrees = random_inputs()
    model = make_model(features)
    features[::4] *= 50  # outliers, which are clipped
    with torch.no_grad():
        logits, density = model(features, edges, sides, degrees)
        h = model.encode(((features - model.feature_mean) / model.feature_std).clamp(-6, 6))
        expected = [model.readouts[0](h)[:, 0]]
        for layer, readout in zip(model.rounds, model.readouts[1:], strict=True):
            h = slow_round(layer, h, expected[-1].sigmoid(), edges)
            expected.append(readout(h)[:, 0])
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    for i in range(N_NODES):
        at = (edges == i).any(dim=1)
        signed = features[at, 0].clamp(min=0) * (2 * expected[-1][at].sigmoid() - 1)
        torch.testing.assert_close(density[i], signed.mean() if at.any() else torch.tensor(0.0), atol=1e-5, rtol=1e-5)


def test_swapping_the_ends_of_an_edge_changes_nothing():
    features, edges, sides, degrees = random_inputs()
    model = make_model(features)
    with torch.no_grad():
        torch.testing.assert_close(
            model(features, edges.flip(1), sides, degrees), model(features, edges, sides, degrees), atol=1e-5, rtol=1e-5
        )


def test_chunks_of_edges_change_nothing(monkeypatch):
    inputs = random_inputs()
    model = make_model(inputs[0])
    with torch.no_grad():
        whole = model(*inputs)
        monkeypatch.setattr(relational_lander, "_EDGES_PER_CHUNK", 4)
        torch.testing.assert_close(model(*inputs), whole, atol=1e-5, rtol=1e-5)


def test_the_weights_carry_the_standardization():
    inputs = random_inputs()
    model = make_model(inputs[0])
    copy = RelationalLander(**model.settings).eval()
    copy.load_state_dict(load(save(model.state_dict())))
    with torch.no_grad():
        torch.testing.assert_close(copy(*inputs), model(*inputs))


@pytest.mark.parametrize("deviation", [0, 1e-5])
def test_a_feature_that_hardly_differed_in_training_is_not_divided_by_its_deviation(deviation):
    features = torch.randn(40, N_FEATURES)
    features[:, 2] = 7.3 + deviation * features[:, 2]
    model = make_model(features)
    scaled = model.standardize(features)
    np.testing.assert_allclose(scaled[:, 2], 0, atol=1e-4)
    others = [0, 1, 3, 4]
    torch.testing.assert_close(scaled[:, others].mean(dim=0), torch.zeros(4))
    torch.testing.assert_close(scaled[:, others].std(dim=0, correction=0), torch.ones(4))
    assert model.standardize(features + 0.5)[:, 2].numpy() == pytest.approx(0.5, abs=1e-3)


def test_a_graph_without_edges():
    model = make_model(random_inputs()[0])
    none = torch.empty((0, 2), dtype=torch.int64)
    sides = torch.empty((0, 3), dtype=torch.int32)
    logits, density = model(torch.empty((0, N_FEATURES)), none, sides, torch.zeros(3))
    assert logits[-1].shape == (0,)
    assert density.tolist() == [0, 0, 0]
