import numpy as np
import pytest

from hilander import HiLander, train_lander
from hilander.config import RelationalParams
from hilander.data.splits import split_classes
from hilander.evaluation.held_out import score_on_held_out_classes
from hilander.metrics import score

BRIEF = RelationalParams(n_item_steps=8, n_cluster_steps=4, n_starter_steps=4)


def draw(n_classes, size, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat([f"class {i}" for i in range(n_classes)], size)
    embeddings = rng.normal(size=(n_classes, 16))[np.repeat(np.arange(n_classes), size)]
    return embeddings + 0.5 * rng.normal(size=embeddings.shape), labels


def test_scores_are_those_of_classes_that_were_not_learned_from(monkeypatch):
    embeddings, labels = draw(15, 8)
    learned = []

    def train(rows, classes, **settings):
        learned.append((rows, classes))
        return train_lander(rows, classes, **settings)

    monkeypatch.setattr("hilander.evaluation.held_out.train_lander", train)
    found = score_on_held_out_classes(embeddings, labels, params=BRIEF, random_state=3)
    [(rows, classes)] = learned
    normed = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    held_out = ~(normed[:, None, :3] == rows[None, :, :3]).all(axis=2).any(axis=1)
    assert found.n_learned == len(np.unique(classes))
    assert found.n_learned + found.n_held_out == 15
    assert abs(found.n_learned - found.n_held_out) <= 1
    assert set(labels[held_out]).isdisjoint(labels[~held_out])
    model = train_lander(rows, classes, params=BRIEF, random_state=3)
    for scores, clusterer in ((found.trained, HiLander(model, random_state=3)), (found.general, HiLander())):
        assert scores == score(labels[held_out], clusterer.fit_predict(normed[held_out]))


def test_fewer_than_four_classes_cannot_be_parted():
    with pytest.raises(ValueError, match="at least 4 of them, got 3"):
        score_on_held_out_classes(*draw(3, 5), params=BRIEF)


def test_a_half_in_which_no_two_items_share_a_class_is_named_as_such():
    labels = np.r_[0, np.arange(39)]
    embeddings = np.random.default_rng(0).normal(size=(40, 8))
    seed = next(seed for seed in range(20) if split_classes(labels, 0.5, seed)[0])
    with pytest.raises(ValueError, match="of the 19 classes that would be learned from, while 20 others are held out"):
        score_on_held_out_classes(embeddings, labels, params=BRIEF, random_state=seed)
