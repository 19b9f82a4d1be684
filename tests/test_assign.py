"""New points vote with their links to fitted ones, as they would in a graph of all."""

import numpy as np
import pytest
import torch

from hilander.assign import Assigner
from hilander.embeddings import check_embeddings
from hilander.graph.knn import nearest_neighbors, search_neighbors
from hilander.graph.quantization import quantize
from hilander.graph.relational_graph import EDGE_FEATURES
from hilander.models import attachment
from hilander.models.clustering_model import ClusteringSettings
from hilander.models.general_model import general_model
from hilander.models.published import PublishedModel
from hilander.models.relational import RelationalLanders, RelationalModel, link_items
from hilander.models.similarity import SimilarityModel
from hilander.nn.lander import Lander
from hilander.nn.relational_lander import RelationalLander

WIDTH = 8


def blobs(n_clusters, size, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_clusters, WIDTH))
    labels = np.repeat(np.arange(n_clusters), size)
    return check_embeddings(centers[labels] + 0.15 * rng.normal(size=(len(labels), WIDTH))), labels


def published():
    arguments = {"n_features": 2 * WIDTH, "hidden_features": 16}
    return PublishedModel(
        settings=ClusteringSettings(), n_features=WIDTH, lander=Lander(**arguments).eval(), lander_arguments=arguments
    )


def relational():
    torch.manual_seed(0)
    networks = (RelationalLander(len(EDGE_FEATURES), hidden=8, width=16) for _ in range(2))
    return RelationalModel(landers=RelationalLanders(*networks))


@pytest.mark.parametrize(("model", "k"), [(SimilarityModel(), 10), (SimilarityModel(), 30), (published(), 10)])
def test_the_graph_around_gives_the_links_of_the_whole_graph(model, k, monkeypatch):
    fitted, labels = blobs(40, 25)
    new = blobs(40, 1, seed=1)[0][:3]
    assigner = Assigner(fitted, labels, model, n_neighbors=k, threshold=0.5)

    near = assigner.assign(new)
    monkeypatch.setattr(attachment, "_MOST", 0.0)  # always the whole graph
    whole = assigner.assign(new)

    np.testing.assert_array_equal(near.labels, whole.labels)
    np.testing.assert_allclose(near.probabilities, whole.probabilities, atol=1e-5)


def test_a_relational_model_links_nearly_as_in_the_graph_of_all_points():
    fitted, model = blobs(40, 25)[0], general_model()
    links = model.attach(fitted, 40).link(check_embeddings(fitted[::50] + np.float32(0.01)))
    of_fitted = nearest_neighbors(fitted, 40)

    differences = []
    for row, new in enumerate(check_embeddings(fitted[::50] + np.float32(0.01))):
        of_new = search_neighbors(new[None], quantize(fitted), 40)
        lists = [np.concatenate(both) for both in zip(of_fitted, of_new, strict=True)]
        whole = link_items(model.landers.items, np.concatenate([fitted, new[None]]), *lists)
        ours = dict(zip(links.fitted[links.new == row], links.linkage[links.new == row], strict=True))
        theirs = {i: p for (i, j), p in zip(whole.graph.edges, whole.linkage, strict=True) if j == len(fitted)}
        assert len(set(ours) & set(theirs)) > 0.8 * len(set(ours) | set(theirs))
        differences += [abs(ours[i] - theirs[i]) for i in set(ours) & set(theirs)]
    assert np.mean(differences) < 0.01


@pytest.mark.parametrize("make_model", [SimilarityModel, published, relational])
def test_a_point_is_assigned_among_others_as_alone(make_model):
    fitted, labels = blobs(40, 25)
    new = blobs(40, 1, seed=1)[0]
    assigner = Assigner(fitted, labels, make_model(), n_neighbors=10, threshold=0.5)

    together = assigner.assign(new)
    alone = [assigner.assign(row[None]) for row in new]

    np.testing.assert_array_equal(together.labels, [each.labels[0] for each in alone])
    np.testing.assert_allclose(together.probabilities, [each.probabilities[0] for each in alone], atol=1e-5)


@pytest.mark.parametrize("make_model", [SimilarityModel, published, relational])
def test_blocks_of_any_size_assign_alike(make_model, monkeypatch, capfd):
    fitted, labels = blobs(40, 25)
    new = blobs(40, 3, seed=1)[0]
    assigner = Assigner(fitted, labels, make_model(), n_neighbors=10, threshold=0.5)
    together = assigner.assign(new)
    assert capfd.readouterr().err == ""

    monkeypatch.setattr(type(assigner._attachment), "rows_per_block", 7)
    parted = assigner.assign(new, show_progress=True)

    np.testing.assert_array_equal(parted.labels, together.labels)
    np.testing.assert_allclose(parted.probabilities, together.probabilities, atol=1e-5)
    assert "120/120" in capfd.readouterr().err


def test_a_part_of_the_graph_is_linked_for_few_points_and_the_whole_for_many():
    fitted, labels = blobs(40, 25)
    sizes = []

    class Watched(SimilarityModel):
        def link(self, graph):
            sizes.append(len(graph.nodes))
            return super().link(graph)

    assigner = Assigner(fitted, labels, Watched(), n_neighbors=5, threshold=0.5)
    assigner.assign(fitted[:1])
    assigner.assign(fitted)

    assert sizes[0] < 110
    assert sizes[1] == 2 * len(fitted)


@pytest.mark.parametrize("n_fitted", [1, 2, 3])
def test_few_fitted_points_suffice(n_fitted):
    fitted = check_embeddings(np.eye(WIDTH)[:n_fitted])
    assigner = Assigner(fitted, np.arange(n_fitted), SimilarityModel(), n_neighbors=10, threshold=0.5)

    assert assigner.assign(fitted).labels.tolist() == list(range(n_fitted))
    assert assigner.assign(check_embeddings(-np.eye(WIDTH)[:1])).labels.tolist() == [-1]


def test_duplicates_of_a_fitted_point_join_its_cluster():
    fitted, labels = blobs(20, 20)
    assigner = Assigner(fitted, labels, SimilarityModel(), n_neighbors=10, threshold=0.5)

    assert assigner.assign(np.repeat(fitted[:1], 30, axis=0)).labels.tolist() == [labels[0]] * 30


@pytest.mark.parametrize("threshold", [0.1, 0.6, 0.9])
def test_votes_are_counted_as_in_plain_python(threshold):
    fitted, _ = blobs(12, 10)
    rng = np.random.default_rng(2)
    labels = rng.choice([-1, 3, 2**62, 7], 120)
    assigner = Assigner(fitted, labels, SimilarityModel(), n_neighbors=10, threshold=threshold)
    new = check_embeddings(np.concatenate([fitted[::9] + 0.02, -fitted[:5], rng.normal(size=(20, WIDTH))]))
    links, found = assigner._link(new), assigner.assign(new)
    for row in range(len(new)):
        votes = {}
        for point, other, linkage in zip(links.new, links.fitted, links.linkage, strict=True):
            if point == row and labels[other] >= 0:
                votes.setdefault(labels[other], []).append(float(linkage))
        cluster = max(votes, key=lambda each: sum(votes[each]), default=-1)
        if not votes or max(votes[cluster]) <= threshold:
            likeliest = max((max(each) for each in votes.values()), default=0)
            assert (found.labels[row], found.probabilities[row]) == (-1, pytest.approx(1 - likeliest, abs=1e-6))
        else:
            assert found.labels[row] == cluster
            assert found.probabilities[row] == pytest.approx(np.mean(votes[cluster]), abs=1e-6)


def test_of_clusters_with_as_many_votes_the_one_of_the_lower_number_wins():
    fitted = np.eye(WIDTH, dtype=np.float32)[:3]
    assigner = Assigner(fitted, np.array([5, 4, 6]), SimilarityModel(), n_neighbors=10, threshold=0.5)
    assert assigner.assign(check_embeddings(fitted[:1] + fitted[1:2])).labels.tolist() == [4]
