import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilander.clustering import LevelSummary
from hilander.data.images import Images
from hilander.evaluation import Prediction, evaluate, write_report

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


class Pictures:
    """An image of each row, in several modes and shapes."""

    def __getitem__(self, i):
        return Image.new(["1", "L", "RGB", "RGBA"][i % 4], (20 + i % 3, 30))


@pytest.fixture(scope="module")
def evaluation(train_set, test_set):
    classes = np.unique(test_set[1], return_inverse=True)[1]
    labels = np.where(classes < 4, classes // 2, classes)
    labels[::7] += 100
    levels = [LevelSummary(len(labels), 9, int(labels.max()), labels)]
    ours = Prediction("hilander", labels, np.linspace(0, 1, len(labels)).astype(np.float32), levels)
    return evaluate([ours], *train_set, *test_set, baselines=["finch", "connected_components"])


def test_the_report_is_one_file_that_loads_nothing(tmp_path, evaluation, loads_nothing):
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.5], "held_out": [np.nan] * 3, "note": list("abc")})
    path = write_report(
        tmp_path / "report.html",
        evaluation,
        images=Pictures(),
        facts={"Encoder": "<b>angle brackets</b>"},
        histories={"Encoder": history},
    )
    html = path.read_text(encoding="utf-8")
    assert "Connected components" in html
    assert "is split over" in html
    assert "&lt;b&gt;angle brackets" in html
    assert html.count("data:image/svg+xml;base64,") == 5
    assert "Precision and coverage" in html
    assert "data:image/png;base64," in html
    assert loads_nothing(html)


def test_the_same_evaluation_gives_the_same_file_without_images(tmp_path, evaluation):
    first, second = (write_report(tmp_path / name, evaluation).read_bytes() for name in ("a.html", "b.html"))
    assert first == second
    assert b"image/png" not in first


def test_examples_of_images_that_cannot_be_read_are_told_in_words(tmp_path, evaluation):
    n = len(evaluation.labels)
    damaged = Images([b"no image"] * n, np.arange(n).astype(str))
    html = write_report(tmp_path / "report.html", evaluation, images=damaged).read_text(encoding="utf-8")
    assert "is split over" in html
    assert "image/png" not in html


def test_a_failed_report_leaves_the_old_one(leaves_the_old_page, evaluation):
    assert leaves_the_old_page(lambda path, images: write_report(path, evaluation, images=images))


def test_the_least_report_needs_neither_baselines_nor_probabilities(tmp_path, train_set, test_set):
    labels = np.arange(len(test_set[1]))  # no two together
    evaluation = evaluate([Prediction("hilander", labels)], *train_set, *test_set, baselines=[])
    assert "Reliability" not in write_report(tmp_path / "report.html", evaluation).read_text()
