from dataclasses import replace

import numpy as np
import pytest
import torch

from hilander import HiLander
from hilander.config import PublishedParams, RelationalParams
from hilander.graph.knn import nearest_neighbors
from hilander.graph.super_graph import super_graph
from hilander.hierarchy.average_linkage import average_linkage
from hilander.metrics import score
from hilander.models.persistence import load_model
from hilander.models.relational import link_items, predict
from hilander.nn.context_network import ContextNetwork
from hilander.training.labelled_set import LabelledSet, thinned
from hilander.training.relational import fit_relational
from hilander.training.threshold import THRESHOLDS, choose_threshold
from hilander.training.train_lander import train_lander

FAST = RelationalParams(n_item_steps=60, n_cluster_steps=60, n_starter_steps=20, core_size=250)
BRIEF = RelationalParams(n_item_steps=2, n_cluster_steps=1, n_starter_steps=1)


def blobs(n_classes, size, seed, d=16, spread=0.6):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), size)
    points = rng.normal(size=(n_classes, d))[labels] + spread * rng.normal(size=(len(labels), d))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points.astype(np.float32), labels


@pytest.fixture(scope="module")
def trained():
    return fit_relational([LabelledSet(*blobs(50, 12, seed=0))], FAST)


@pytest.mark.parametrize("network", [0, 1])
@pytest.mark.parametrize("name", ["loss_linkage", "loss_density"])
def test_losses_fall(trained, network, name):
    _, history = trained
    losses = [step[name] for step in history if step["network"] == network]
    assert len(losses) == 60
    assert np.mean(losses[-5:]) < 0.7 * losses[0]


@pytest.mark.parametrize("d", [16, 40])
def test_clusters_unseen_classes_of_any_width(trained, d):
    landers = trained[0].landers
    embeddings, labels = blobs(40, 12, seed=1, d=d)
    items = link_items(landers.items, embeddings, *nearest_neighbors(embeddings, 40))
    members = average_linkage(items.graph.edges, items.linkage, len(labels), 0.5)
    clusters = predict(landers.clusters, super_graph(embeddings, items.graph.edges, items.linkage, members))
    merged = average_linkage(clusters.graph.edges, clusters.linkage, len(clusters.density), 0.3, clusters.graph.sizes)
    assert score(labels, members)["f_bcubed"] > 0.75
    assert score(labels, merged[members])["f_bcubed"] > 0.8


def test_density_is_the_mean_signed_affinity(trained):
    landers = trained[0].landers
    embeddings, _ = blobs(20, 12, seed=2)
    items = link_items(landers.items, embeddings, *nearest_neighbors(embeddings, 40))
    similarity = (embeddings[items.graph.edges[:, 0]] * embeddings[items.graph.edges[:, 1]]).sum(axis=1)
    signed = np.maximum(similarity, 0) * (2 * items.linkage - 1)
    at_first_node = (items.graph.edges == 0).any(axis=1)
    assert items.density[0] == pytest.approx(signed[at_first_node].mean(), abs=1e-5)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone():
    data = [LabelledSet(*blobs(10, 20, seed=0))]
    before = torch.random.get_rng_state()
    first, second, other = (fit_relational(data, BRIEF, random_state=seed)[0].landers for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name])
    assert not torch.equal(first.items.encode[0].weight, other.items.encode[0].weight)


@pytest.mark.parametrize("labels", [[0, 0], [0, 1], [0, 0, 0, 1, 2], [0] * 50 + [1] * 50])
@pytest.mark.parametrize("duplicates", [False, True])
def test_few_items_and_duplicates(labels, duplicates):
    embeddings = blobs(2, 50, seed=0)[0][: len(labels)]
    if duplicates:
        embeddings = np.repeat(embeddings[:1], len(labels), axis=0)
    landers = fit_relational([LabelledSet(embeddings, np.array(labels))], BRIEF)[0].landers
    items = link_items(landers.items, embeddings, *nearest_neighbors(embeddings, 40))
    members = np.arange(len(labels))
    clusters = predict(landers.clusters, super_graph(embeddings, items.graph.edges, items.linkage, members))
    for prediction in (items, clusters):
        assert np.isfinite(prediction.linkage).all()
        assert np.isfinite(prediction.density).all()


@pytest.mark.parametrize("variant", ["hilander", "published"])
def test_nothing_can_be_learned_from_one_direction(variant):
    with pytest.raises(ValueError, match="all rows point in one direction"):
        train_lander(np.outer([1, 2, 3, 4], [1, 1]), [0, 0, 1, 1], variant=variant)


@pytest.mark.parametrize(
    "params",
    [
        replace(BRIEF, n_item_steps=40, learning_rate=1e6),
        PublishedParams(optimizer="sgd", learning_rate=1e6, epochs=20),
    ],
)
def test_a_training_that_diverges_ends_at_once(params):
    variant = "published" if isinstance(params, PublishedParams) else "hilander"
    with pytest.raises(ValueError, match=r"has diverged: its loss is (nan|inf|-inf) at (step|epoch)"):
        train_lander(*blobs(10, 8, seed=0), variant=variant, params=params)


@pytest.mark.parametrize("turn_off", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("params", [BRIEF, PublishedParams(hidden_features=8, epochs=1)])
def test_trains_where_the_caller_has_turned_gradients_off(turn_off, params):
    variant = "published" if isinstance(params, PublishedParams) else "hilander"
    expected = train_lander(*blobs(10, 8, seed=0), variant=variant, params=params)
    with turn_off():
        model = train_lander(*blobs(10, 8, seed=0), variant=variant, params=params)
        assert not torch.is_grad_enabled()
    assert not any(weight.is_inference() for weight in model.network().parameters())
    assert model.provenance == expected.provenance
    weights = expected.network().state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in model.network().state_dict().items())


@pytest.fixture(params=[torch.float64, torch.bfloat16])
def other_default_dtype(request):
    before = torch.get_default_dtype()
    yield lambda: torch.set_default_dtype(request.param)
    torch.set_default_dtype(before)


@pytest.mark.parametrize("params", [BRIEF, PublishedParams(hidden_features=8, epochs=1)])
def test_trains_clusters_and_loads_alike_whatever_the_default_dtype(tmp_path, other_default_dtype, params):
    variant = "published" if isinstance(params, PublishedParams) else "hilander"
    embeddings, labels = blobs(10, 8, seed=0)
    expected = train_lander(embeddings, labels, variant=variant, params=params)
    clustered = HiLander(expected).fit(embeddings)
    other_default_dtype()
    model = train_lander(embeddings, labels, variant=variant, params=params)
    model.save(tmp_path / "model")
    weights = expected.network().state_dict()
    for each in (model, load_model(tmp_path / "model")):
        assert all(torch.equal(weight, weights[name]) for name, weight in each.network().state_dict().items())
        again = HiLander(each).fit(embeddings)
        assert np.array_equal(again.labels_, clustered.labels_)
        assert np.array_equal(again.probabilities_, clustered.probabilities_)


def test_what_is_usual_in_sets_is_learned_alike_whatever_the_default_dtype(other_default_dtype):
    sets = [LabelledSet(*blobs(5, 6, seed=seed)) for seed in range(16)]
    params = replace(BRIEF, n_context_steps=2)
    expected = fit_relational(sets, params)[0].landers.context.state_dict()
    other_default_dtype()
    found = fit_relational(sets, params)[0].landers.context.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in found.items())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (replace(BRIEF, n_cores=0), "n_cores must be from 1"),
        (replace(BRIEF, n_item_steps=-5), "n_item_steps must be from 1"),
        (replace(BRIEF, n_drawn=-3), "n_drawn must be from 0"),
        (replace(BRIEF, n_projected=-1), "n_projected must be from 0"),
        (replace(BRIEF, learning_rate=float("nan")), "learning_rate must be from"),
        (replace(BRIEF, dropout=1.5), "dropout must be from 0 to 1"),
        (PublishedParams(epochs=0), "epochs must be from 1"),
        (PublishedParams(hidden_features=1), "hidden_features must be from 2"),
        (PublishedParams(n_neighbors=(0, 5, 3)), "n_neighbors must be from 1"),
        (PublishedParams(n_levels=(2, 3)), "as many training graphs"),
        (PublishedParams(n_neighbors=(), n_levels=()), "at least one"),
    ],
)
def test_parameters_out_of_their_range_are_refused(params, message):
    variant = "published" if isinstance(params, PublishedParams) else "hilander"
    with pytest.raises(ValueError, match=message):
        train_lander(*blobs(10, 8, seed=0), variant=variant, params=params)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"random_state": None}, "random_state must be a whole number from 0"),
        ({"random_state": -1}, "random_state must be a whole number from 0"),
        ({"random_state": 1.5}, "random_state must be a whole number from 0"),
        ({"variant": "magic", "params": BRIEF}, "variant must be one of hilander, published; got 'magic'"),
        ({"variant": "published", "params": BRIEF}, "must be PublishedParams, got RelationalParams"),
        ({"params": {"n_item_steps": 5}}, "must be RelationalParams, got dict"),
        ({"device": "tpu9"}, "device must be"),
    ],
)
def test_arguments_are_looked_at_before_the_embeddings(arguments, message):
    with pytest.raises(ValueError, match=message):
        train_lander([["no", "numbers"]], ["a"], **arguments)


def test_thinned_copies_of_one_set_do_not_teach_what_is_usual_in_sets():
    params = replace(BRIEF, n_thinned=16, n_context_steps=1)
    assert train_lander(*blobs(10, 8, seed=0), params=params).landers.context is None


def test_views_in_fewer_dimensions_are_learned_from_beside_the_set():
    blob, parameters = blobs(10, 8, seed=0, d=40), {}
    for n_projected in (0, 2):
        model = train_lander(*blob, params=replace(BRIEF, n_projected=n_projected))
        assert model.landers.context is None
        parameters[n_projected] = model.landers.items.feature_mean
    assert not torch.equal(parameters[0], parameters[2])


def test_a_thinned_copy_may_lose_all_rows_that_differ():
    embeddings, labels = np.ones((100, 2)), np.repeat([0, 1], 50)
    embeddings[3, 1] = -1
    thinned_sets = [thinned(LabelledSet(embeddings, labels), seed=i) for i in range(3)]
    assert any(np.ptp(each.embeddings, axis=0).max() == 0 for each in thinned_sets)
    model = train_lander(embeddings, labels, params=replace(BRIEF, n_thinned=3))
    clusters = {row["clusters"] for row in model.provenance["thresholds"]}
    assert clusters <= {1, 4 / 3, 5 / 3, 2}


def test_the_threshold_chosen_for_several_sets_is_a_candidate_to_the_last_bit():
    model = train_lander(*blobs(10, 8, seed=0), params=replace(BRIEF, n_thinned=3))
    assert tuple(row["threshold"] for row in model.provenance["thresholds"]) == THRESHOLDS
    assert model.settings.linkage_threshold in THRESHOLDS


def test_learns_from_sets_of_several_widths_by_turns():
    sets = [LabelledSet(*blobs(10, 12, seed=0)), LabelledSet(*blobs(8, 15, seed=1, d=40))]
    together, alone = (fit_relational(part, BRIEF)[0].landers for part in (sets, sets[:1]))
    assert not torch.equal(together.items.feature_mean, alone.items.feature_mean)


def test_no_part_is_learned_from_more_often_than_is_asked_for():
    sets = [LabelledSet(*blobs(10, 12, seed=seed)) for seed in range(2)]  # of one part on either pass
    params = replace(BRIEF, n_item_steps=40, n_cluster_steps=20)

    def steps(sets, max_passes):
        history = fit_relational(sets, replace(params, max_passes=max_passes))[1]
        return [sum(step["network"] == network for step in history) for network in (0, 1)]

    assert steps(sets[:1], 5) == [10, 5]
    assert steps(sets, 5) == [20, 10]
    assert steps(sets[:1], 20) == [40, 20]
    assert steps(sets[:1], 1000) == [40, 20]


def test_drawn_sets_beside_the_labelled_one_are_learned_from_but_do_not_choose_the_threshold():
    labelled = blobs(20, 8, seed=0)
    alone, beside, again = (train_lander(*labelled, params=replace(BRIEF, n_drawn=n_drawn)) for n_drawn in (0, 2, 2))
    weights = [torch.cat([each.ravel() for each in model.landers.parameters()]) for model in (alone, beside, again)]
    assert torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[0], weights[1])
    assert beside.provenance["trained_on"] == {"items": 160, "classes": 20}
    assert len(beside.provenance["thresholds"]) == len(alone.provenance["thresholds"])
    of_own = choose_threshold(beside, *labelled)
    assert beside.provenance["thresholds"] == of_own.table


def test_what_is_usual_in_a_set_is_learned_from_many_sets_only(tmp_path):
    sets = [LabelledSet(*blobs(5, 6, seed=seed)) for seed in range(16)]
    params = replace(BRIEF, n_context_steps=20)
    few, many = (fit_relational(part, params)[0] for part in (sets[:15], sets))
    assert few.landers.context is None
    assert many.landers.context is not None
    for model in (few, many):
        model.save(tmp_path / "model")
        loaded = load_model(tmp_path / "model").landers.state_dict()
        assert loaded.keys() == model.landers.state_dict().keys()
        assert all(torch.equal(loaded[name], weight) for name, weight in model.landers.state_dict().items())


def test_each_network_learns_from_sets_of_its_own():
    sets = [LabelledSet(*blobs(5, 6, seed=seed)) for seed in range(20)]
    params = replace(BRIEF, n_context_steps=20)

    def weights(cluster_set, context_sets):
        model = fit_relational(sets[:1], params, cluster_sets=[cluster_set], context_sets=context_sets)[0]
        networks = model.landers.named_children()
        return {name: torch.cat([each.ravel() for each in network.parameters()]) for name, network in networks}

    first = weights(sets[1], sets[2:18])
    other_clusters, other_context = weights(sets[2], sets[2:18]), weights(sets[1], sets[4:20])
    assert torch.equal(first["items"], other_clusters["items"])
    assert torch.equal(first["items"], other_context["items"])
    assert torch.equal(first["context"], other_clusters["context"])
    assert not torch.equal(first["context"], other_context["context"])
    assert not torch.equal(first["clusters"], other_clusters["clusters"])


def test_the_linkage_of_items_is_corrected_before_they_are_merged():
    embeddings, labels = blobs(12, 10, seed=1)
    model = fit_relational([LabelledSet(embeddings, labels)], BRIEF)[0]
    context = ContextNetwork().eval()
    torch.nn.init.constant_(context.layers[-1].bias, -20.0)  # no two items belong together
    model.landers.context = context
    assert np.array_equal(HiLander(model).fit_predict(embeddings), np.arange(len(labels)))
