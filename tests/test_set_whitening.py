from dataclasses import replace

import numpy as np
import pytest

from hilander import HiLander
from hilander.clustering import cluster_embeddings
from hilander.embeddings import check_embeddings
from hilander.graph.distinct_rows import ordered_rows
from hilander.graph.knn import nearest_neighbors
from hilander.hierarchy.levels import LevelGraph
from hilander.hierarchy.next_level import first_level
from hilander.metrics import score
from hilander.models.general_model import general_model
from hilander.set_whitening import FEWEST_ROWS, learn_whitening, rows_to_learn_from
from hilander.whitening import Whitening


def slanted(n_classes: int = 40, size: int = 15, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes that all vary strongly along three directions, which tell none of them apart."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), size)
    embeddings = rng.normal(size=(n_classes, 32))[labels] + 0.5 * rng.normal(size=(len(labels), 32))
    return check_embeddings(embeddings + 0.6 * rng.normal(size=(len(labels), 3)) @ rng.normal(size=(3, 32))), labels


def learned(embeddings, **settings):
    model = general_model()
    return learn_whitening(embeddings, model, replace(model.settings, **settings))


def test_it_learns_from_the_rows_named_and_a_pair_counts_by_its_linkage():
    embeddings, _ = slanted()
    rows, model = np.random.default_rng(1).permutation(len(embeddings))[:400], general_model()
    found = learn_whitening(embeddings, model, model.settings, rows=rows)
    of_rows = embeddings[rows]
    nearest = nearest_neighbors(of_rows, model.settings.n_neighbors)
    links = model.link(LevelGraph(first_level(of_rows), *nearest))
    likely = links.linkage > 0.5
    pairs = np.stack([links.source, links.target], axis=1)[likely]
    expected = Whitening.fit_pairs(of_rows, pairs, links.linkage[likely], model.settings.whitening)
    np.testing.assert_allclose(found(of_rows), expected(of_rows), atol=1e-5)


def test_what_varies_within_classes_counts_less_and_clusters_are_better():
    embeddings, labels = slanted()
    before, after = (score(labels, HiLander(whitening=shrinkage).fit_predict(embeddings)) for shrinkage in (0, 0.3))
    for name in ("f_pairwise", "f_bcubed"):
        assert 1 - after[name] < (1 - before[name]) / 2


def test_directions_of_variance_within_classes_shrink_against_the_others():
    embeddings, labels = slanted()
    spread = []
    for rows in (embeddings, learned(embeddings)(embeddings)):
        means = np.stack([rows[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
        within = np.linalg.eigvalsh(np.cov((rows - means[labels]).T))
        spread.append(within[-3:].mean() / within[:-3].mean())
    assert spread[1] < spread[0] / 2


def test_neither_order_nor_copies_of_rows_matter():
    embeddings, _ = slanted(20)
    several = np.concatenate([embeddings, embeddings[:7], embeddings[:7]])
    order = np.random.default_rng(1).permutation(len(several))
    one, other = HiLander().fit(several), HiLander().fit(several[order])
    assert score(one.labels_[order], other.labels_)["f_pairwise"] == 1
    assert score(one.labels_[: len(embeddings)], HiLander().fit_predict(embeddings))["f_pairwise"] == 1


def test_later_points_go_through_the_same():
    embeddings, labels = slanted()
    new = np.arange(len(labels)) % 5 == 0
    fitted = HiLander().fit(embeddings[~new])
    assigned = fitted.predict(embeddings[new])
    adopted = HiLander().adopt(embeddings[~new], fitted.labels_)
    assert np.array_equal(adopted.predict(embeddings[new]), assigned)
    assert (assigned >= 0).mean() > 0.9
    clusters = range(fitted.labels_.max() + 1)
    majority = np.array([np.bincount(labels[~new][fitted.labels_ == cluster]).argmax() for cluster in clusters])
    assert (majority[assigned] == labels[new])[assigned >= 0].mean() > 0.9


def test_in_parts_as_in_one(tmp_path):
    embeddings, _ = slanted()
    one, parts = HiLander().fit(embeddings), HiLander(run_folder=tmp_path / "run").fit(embeddings)
    assert np.array_equal(one.labels_, parts.labels_)
    assert np.array_equal(one.predict(embeddings[:50] + 0.01), parts.predict(embeddings[:50] + 0.01))


def test_nothing_is_learned_where_there_is_nothing_to_learn_from():
    embeddings, _ = slanted()
    assert learned(embeddings, whitening=0) is None
    assert learned(embeddings[: FEWEST_ROWS - 1]) is None
    assert learned(embeddings[:FEWEST_ROWS]) is not None
    near = check_embeddings(1 + 1e-6 * np.random.default_rng(0).normal(size=(200, 3)))
    assert learned(near[ordered_rows(near)[0]]) is None
    apart = np.eye(200, dtype=np.float32)  # no pair is any nearer than another
    whitening = learned(apart)
    assert whitening is None or np.isfinite(whitening(apart)).all()


def test_equal_rows_that_constraints_part_teach_nothing():
    embeddings, _ = slanted(20)
    several = np.concatenate([embeddings, embeddings[:7]])
    apart = np.stack([np.arange(7), np.arange(7) + len(embeddings)], axis=1)
    free, parted = (cluster_embeddings(several, general_model(), cannot_link=pairs) for pairs in (None, apart))
    assert len(parted.nodes) > len(free.nodes)
    assert np.array_equal(parted.whitening.transform, free.whitening.transform)


def test_few_rows_beside_the_width_shrink_more():
    rng = np.random.default_rng(0)
    embeddings = check_embeddings(3 * rng.normal(size=(10, 600)).repeat(15, axis=0) + rng.normal(size=(150, 600)))
    few, asked = learned(embeddings, whitening=0.01), learned(embeddings, whitening=600 / 750)
    assert np.allclose(few.transform, asked.transform)


@pytest.mark.parametrize("n", [100, 15_000, 15_001, 1_000_000])
def test_rows_to_learn_from_lie_in_blocks_all_over(n):
    rows = rows_to_learn_from(n)
    assert rows[0] == 0
    assert rows[-1] == n - 1
    assert len(rows) == len(np.unique(rows)) == (n if n <= 15_000 else 10_000)
    assert (np.diff(rows) == 1).sum() >= len(rows) - 20


def test_differences_however_small_can_be_learned_from():
    rng = np.random.default_rng(0)
    embeddings = np.repeat(np.eye(8)[:2], 80, axis=0)
    embeddings[:, 2:] = 1e-40 * rng.normal(size=(160, 6))
    assert np.bincount(HiLander().fit_predict(embeddings)).tolist() == [80, 80]
