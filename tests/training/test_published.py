import numpy as np
import pytest
import torch

from hilander.config import PublishedParams
from hilander.embeddings import check_embeddings
from hilander.training.published import fit_published
from hilander.training.training_graphs import build_training_graphs


def blobs(n_classes=20, size=10, d=8, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), size)
    points = rng.normal(size=(n_classes, d))[labels] + 0.3 * rng.normal(size=(len(labels), d))
    return check_embeddings(points), labels


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 64},
        {"convolution": "attention"},
        {"optimizer": "sgd", "learning_rate": 0.1, "focal_gamma": 2.0, "dropout": 0.1},
        {"batch_size": 64, "n_convolutions": 2, "use_cluster_features": False},
    ],
)
def test_loss_falls(changes):
    params = PublishedParams(**{"hidden_features": 32, "epochs": 8, "learning_rate": 0.01} | changes)
    model, history = fit_published(*blobs(), params, device="cpu")
    assert history[-1]["loss_linkage"] < history[0]["loss_linkage"]
    assert len(history) == 8
    assert history[-1]["step"] > history[0]["step"]
    assert not model.lander.training


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone():
    params = PublishedParams(hidden_features=16, epochs=2, batch_size=64)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, _ = fit_published(*blobs(), params, random_state=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    second, _ = fit_published(*blobs(), params, random_state=3)
    other, _ = fit_published(*blobs(), params, random_state=4)
    weights = first.lander.source.weight
    assert torch.equal(weights, second.lander.source.weight)
    assert not torch.equal(weights, other.lander.source.weight)


def test_training_graphs_hold_every_level_and_true_targets():
    embeddings, labels = blobs()
    graphs = build_training_graphs(embeddings, labels, (6, 3), (1, 3))
    assert [g.graph.num_edges() // g.graph.num_nodes() for g in graphs] == [6, 3, 3, 3]
    assert graphs[0].graph.num_nodes() == graphs[1].graph.num_nodes() == 200
    assert graphs[1].graph.num_nodes() > graphs[2].graph.num_nodes() > graphs[3].graph.num_nodes()
    sources, destinations = graphs[0].graph.edges(order="eid")
    same = labels[sources] == labels[destinations]
    assert (graphs[0].linkage.numpy() == same).all()
    first, mean = graphs[2].features.chunk(2, dim=1)
    assert not torch.equal(first, mean)  # above level 0 the cluster's mean differs from the peak's own


def test_one_class_and_tiny_sets_train_without_special_treatment():
    params = PublishedParams(hidden_features=8, epochs=1)
    for n_classes, size in ((1, 6), (2, 1), (3, 2)):
        fit_published(*blobs(n_classes, size), params)


def test_unknown_optimizer_is_named():
    with pytest.raises(ValueError, match="'adamw' or 'sgd', got 'adam'"):
        fit_published(*blobs(), PublishedParams(optimizer="adam", epochs=1))
