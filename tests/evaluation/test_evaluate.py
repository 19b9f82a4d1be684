import json

import numpy as np
import pytest

from hilander.evaluation import Prediction, evaluate, format_metrics, format_table


@pytest.fixture(scope="module")
def evaluation(train_set, test_set):
    labels = np.unique(test_set[1], return_inverse=True)[1]
    predictions = [
        Prediction("hilander", labels, np.full(len(labels), 0.9, np.float32)),
        Prediction("published", labels // 2),
    ]
    return evaluate(predictions, *train_set, *test_set, baselines=["finch", "hac_average"])


def test_rows_come_in_order(evaluation):
    assert [row.name for row in evaluation.results] == ["hilander", "published", "finch", "hac_average", "ceiling"]
    assert evaluation.ours.metrics["f_pairwise"] == 1
    assert {row.name for row in evaluation.baselines} == {"finch", "hac_average"}
    assert evaluation.calibration_error == pytest.approx(0.1)


def test_metrics_are_json_of_numbers_without_durations(evaluation):
    metrics = json.loads(json.dumps(evaluation.metrics()))
    assert metrics["test"]["classes"] == 30
    assert metrics["hilander"]["f_bcubed"] == 1
    assert not any("seconds" in block for block in metrics.values())


def test_the_table_is_aligned_and_marks_the_best(evaluation):
    lines = format_table(evaluation.results, evaluation.n_classes).splitlines()
    assert lines[1].startswith("hilander")
    assert lines[1].count("*") == 5
    assert lines[-1].startswith("Ceiling")
    assert "*" not in lines[-1]
    assert len({len(line) for line in lines}) == 1
    assert "clusters (30)" in format_metrics(evaluation.metrics())


def test_a_prediction_of_another_length_is_refused(train_set, test_set):
    with pytest.raises(ValueError, match=r"'hilander' labels \(3,\) items"):
        evaluate([Prediction("hilander", np.arange(3))], *train_set, *test_set, baselines=[])
    with pytest.raises(ValueError, match="predictions are empty"):
        evaluate([], *train_set, *test_set, baselines=[])
