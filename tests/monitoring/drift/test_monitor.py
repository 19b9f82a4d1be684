import numpy as np
import pytest

from hilander.models.similarity import SimilarityModel
from hilander.monitoring.drift import DriftMonitor, DriftSettings

SETTINGS = DriftSettings(n_draws=60, max_rows=256)


def test_new_classes_alone_are_no_drift(monitor, make_classes):
    alarms = [monitor.judge(make_classes(40, seed)[0]).drifted for seed in range(100, 120)]
    assert sum(alarms) <= 2


def test_a_shift_of_every_item_is_drift_and_is_explained(drifted):
    verdict = drifted.verdict
    assert verdict.drifted
    assert verdict.p <= 0.05
    assert {"domain_auc", "mean_discrepancy"} & {s.name for s in verdict.statistics if s.drifted}
    assert len(verdict.reasons) == sum(s.drifted for s in verdict.statistics)
    assert all(reason.endswith(".") for reason in verdict.reasons)


def test_one_item_in_ten_from_elsewhere_is_drift_more_often_than_not(make_classes):
    monitor, verdicts = DriftMonitor(*make_classes(120, 0, d=64), settings=SETTINGS), []
    for seed in range(8, 14):
        window, _ = make_classes(40, seed, d=64)
        window[:48] = np.random.default_rng(1000 + seed).normal(size=(48, 64))  # of no class
        verdicts.append(monitor.judge(window))
    drifted = [verdict for verdict in verdicts if verdict.drifted]
    assert len(drifted) > 3
    assert all(any("loneliest" in reason for reason in verdict.reasons) for verdict in drifted)


def test_known_items_coming_back_are_no_drift(monitor, make_classes):
    assert not monitor.judge(make_classes(120, 0)[0]).drifted


@pytest.mark.parametrize("every", [4, 12])  # of 12 items of a class
def test_few_items_of_each_class_are_no_drift(make_classes, every):
    monitor = DriftMonitor(*make_classes(250, 0), settings=SETTINGS)
    alarms = [monitor.judge(make_classes(400, seed)[0][::every]) for seed in range(100, 106)]
    assert sum(verdict.drifted for verdict in alarms) <= 1
    assert all("as few items of each class" in verdict.reasons[0] for verdict in alarms if not verdict.drifted)
    assert all(verdict.sparse for verdict in alarms if not verdict.drifted)


@pytest.mark.parametrize("n_classes", [9, 20])
def test_few_rows_are_no_drift_where_they_are_of_whole_classes(make_classes, n_classes):
    monitor = DriftMonitor(*make_classes(250, 0, d=64), model=SimilarityModel(), settings=SETTINGS)
    alarms = [monitor.judge(make_classes(n_classes, seed, d=64)[0]).drifted for seed in range(100, 110)]
    assert sum(alarms) <= 2


def test_a_window_of_one_row_of_each_class_is_no_drift_beside_a_reference_of_few_more_classes(make_classes):
    monitor = DriftMonitor(*make_classes(200, 0, d=8), settings=SETTINGS)  # half of which each draw holds
    alarms = [monitor.judge(make_classes(100, seed, d=8)[0][::12]).drifted for seed in range(100, 112)]
    assert sum(alarms) <= 2


def test_random_rows_of_the_reference_are_no_drift(make_classes):
    embeddings, labels = make_classes(250, 0)
    monitor, random = DriftMonitor(embeddings, labels, settings=SETTINGS), np.random.default_rng(0)
    alarms = [monitor.judge(embeddings[random.permutation(3000)[:n]]).drifted for n in (100, 300, 1000) for _ in "abc"]
    assert sum(alarms) <= 1


def test_a_reference_with_a_class_of_a_third_of_its_rows_is_compared_with(make_classes):
    (embeddings, labels), (large, _) = make_classes(150, 0), make_classes(1, 3, size=1200)
    monitor = DriftMonitor(
        np.concatenate([embeddings, large[:900]]), np.append(labels, np.full(900, 150)), settings=SETTINGS
    )
    window = np.concatenate([make_classes(50, 5)[0], large[900:]])
    assert not monitor.judge(window).drifted  # a third of it is of the large class, as ever
    window[:, 0] += 3
    assert monitor.judge(window).drifted


def test_a_shift_is_found_in_a_window_of_few_items_of_each_class(make_classes):
    window = make_classes(400, 7)[0][::12]
    window[:, 0] += 2
    assert DriftMonitor(*make_classes(250, 0), settings=SETTINGS).judge(window).drifted


def test_repeats_count_once(monitor, make_classes):
    window, _ = make_classes(40, 9)
    once, often = monitor.judge(window), monitor.judge(np.tile(window, (3, 1)))
    assert often.n_window == 3 * once.n_window
    assert often.n_distinct == once.n_distinct
    assert often.statistics == once.statistics


def test_repeats_in_the_reference_count_once(monitor, make_classes):
    (embeddings, labels), window = make_classes(120, 0), make_classes(40, 9)[0]
    often = DriftMonitor(np.concatenate([embeddings] * 5), np.tile(labels, 5), settings=SETTINGS).judge(window)
    once = monitor.judge(window)
    assert often.statistics == once.statistics
    assert (often.n_reference, once.n_reference) == (7200, 1440)


def test_the_same_seed_gives_the_same_verdict_and_kept_calibrations_change_nothing(tmp_path, make_classes):
    reference, window = make_classes(60, 0), make_classes(40, 5)[0]
    settings = DriftSettings(n_draws=60, max_rows=128)
    fresh = DriftMonitor(*reference, settings=settings, calibration_folder=tmp_path).judge(window)
    (kept,) = tmp_path.iterdir()
    assert DriftMonitor(*reference, settings=settings, calibration_folder=tmp_path).judge(window) == fresh
    kept.write_text("torn")
    assert DriftMonitor(*reference, settings=settings, calibration_folder=tmp_path).judge(window) == fresh


def test_without_labels_random_rows_are_what_is_usual():
    random = np.random.default_rng(0)
    monitor = DriftMonitor(random.normal(size=(1500, 32)), settings=SETTINGS)
    direction = random.normal(size=32)
    assert not monitor.judge(random.normal(size=(500, 32))).drifted
    assert monitor.judge(random.normal(size=(500, 32)) + direction / np.linalg.norm(direction)).drifted


def test_lengths_are_compared_where_the_reference_has_some():
    random = np.random.default_rng(0)
    reference = random.normal(size=(900, 8)) * random.uniform(1, 2, size=(900, 1))
    monitor = DriftMonitor(reference, settings=SETTINGS)
    for factor in (3, 1e200):  # whose squares are infinite
        verdict = monitor.judge(factor * random.normal(size=(300, 8)))
        assert {s.name for s in verdict.statistics if s.drifted} == {"norm"}


def test_the_models_own_view_is_part_of_the_verdict(make_classes):
    monitor = DriftMonitor(
        *make_classes(60, 0), model=SimilarityModel(), settings=DriftSettings(n_draws=60, max_rows=128)
    )
    names = {"linkage", "density", "cluster_size", "singleton"}
    lonely = monitor.compare(np.random.default_rng(0).normal(size=(300, 16)))
    assert names <= {statistic.name for statistic in lonely.verdict.statistics}
    assert names & {statistic.name for statistic in lonely.verdict.statistics if statistic.drifted}


def test_what_cannot_be_judged_is_said(monitor, make_classes):
    with pytest.raises(ValueError, match="at least 64 distinct rows"):
        monitor.judge(np.ones((1000, 16)))
    with pytest.raises(ValueError, match="must have shape"):
        monitor.judge(np.ones((1000, 3)))
    with pytest.raises(ValueError, match="at least 250 distinct rows; got 16"):
        DriftMonitor(np.tile(np.eye(16), (100, 1)))
    few = DriftMonitor(*make_classes(60, 0), settings=DriftSettings(n_draws=20))
    with pytest.raises(ValueError, match="raise n_draws to 59"):
        few.judge(make_classes(40, 1)[0])
