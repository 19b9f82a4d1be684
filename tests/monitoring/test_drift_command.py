import json
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from hilander import HiLander
from hilander.cli import app
from hilander.embeddings import check_embeddings
from hilander.monitoring.capture import CaptureWriter
from hilander.monitoring.capture.store import SCHEMA, CaptureStore
from hilander.releases import Items, publish_release, release_in_service


def classes(n_classes, seed):
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), 8)
    return check_embeddings(random.normal(size=(n_classes, 16))[labels] + 0.2 * random.normal(size=(len(labels), 16)))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    HiLander().save(folder / "lander")
    (folder / "encoder").mkdir()
    embeddings = classes(60, 0)
    table = pd.DataFrame({"id": np.arange(480).astype(str), "label": "a", "cluster": np.repeat(np.arange(60), 8)})
    items = Items(embeddings, table)
    publish_release(
        folder / "models", lander=folder / "lander", encoder=folder / "encoder", reference=items, catalogue=items,
        metrics={}, provenance={},
    )  # fmt: skip
    return folder / "models"


def run(*arguments):
    return CliRunner().invoke(app, ["drift", *map(str, arguments)])


def test_no_drift_is_exit_code_0_and_drift_is_3(models, tmp_path):
    np.save(tmp_path / "same.npy", classes(40, 1))
    np.save(tmp_path / "other.npy", classes(40, 2) + 0.5)
    page = tmp_path / "drift.html"
    same = run(tmp_path / "same.npy", "--models", models, "-o", page)
    assert same.exit_code == 0, same.output
    assert "Nothing drifted" in same.output
    other = run(tmp_path / "other.npy", "--models", models, "-o", page, "--json")
    assert other.exit_code == 3, other.output
    assert json.loads(other.stdout)["drifted"] is True
    assert "This window has drifted" in page.read_text(encoding="utf-8")
    assert len(list((models / "drift_calibration").iterdir())) == 1  # computed once


def test_captures_are_read_by_folder(models, tmp_path):
    with CaptureWriter(str(tmp_path / "captures")) as capture:
        capture.put(classes(40, 2) + 0.5, None, None, release_in_service(models).version)
    page = tmp_path / "drift.html"
    assert run(tmp_path / "captures", "--hours", 1, "--models", models, "-o", page).exit_code == 3


def test_secrets_of_a_url_are_neither_told_nor_written(models, tmp_path):
    url, page = "memory://me:hunter22@drift-command", tmp_path / "drift.html"
    assert "memory://•••@drift-command holds no captures" in run(url, "--models", models, "-o", page).output
    with CaptureWriter(url) as capture:
        capture.put(classes(40, 1), None, None, release_in_service(models).version)
    assert run(url, "--models", models, "-o", page).exit_code == 0
    assert "memory://•••@drift-command" in (written := page.read_text(encoding="utf-8"))
    assert "hunter22" not in written


def test_what_another_encoder_made_is_not_compared(models, tmp_path):
    with CaptureWriter(str(tmp_path / "captures")) as capture:
        capture.put(classes(40, 2) + 0.5, None, None, "of another encoder")
    found = run(tmp_path / "captures", "--models", models)
    assert found.exit_code == 1
    assert "that the release in service answered" in found.output
    with CaptureWriter(str(tmp_path / "captures")) as capture:
        capture.put(classes(40, 1), None, None, release_in_service(models).version)
    assert run(tmp_path / "captures", "--models", models, "-o", tmp_path / "drift.html").exit_code == 0


def test_what_cannot_be_answered_is_exit_code_1_and_a_sentence(models, tmp_path):
    missing = run(tmp_path / "captures", "--hours", 24, "--models", models)
    assert missing.exit_code == 1
    assert "is it running" in missing.output
    (tmp_path / "empty").mkdir()
    assert "holds no captures" in run(tmp_path / "empty", "--models", models).output
    np.save(tmp_path / "few.npy", np.eye(16))
    few = run(tmp_path / "few.npy", "--models", models)
    assert few.exit_code == 1
    assert "at least 64 distinct rows" in few.output


def test_a_report_never_overwrites_the_window(models, tmp_path):
    np.save(tmp_path / "window.npy", classes(40, 1))
    before = (tmp_path / "window.npy").read_bytes()
    result = run(tmp_path / "window.npy", "--models", models, "-o", tmp_path / "window.npy")
    assert result.exit_code == 1
    assert "would be overwritten" in result.output
    assert (tmp_path / "window.npy").read_bytes() == before
    result = run(tmp_path / "window.npy", "--models", models, "-o", tmp_path)
    assert "the output must be a file" in result.output


@pytest.mark.parametrize("hours", ["0", "-3", "nan", "1e12"])
def test_hours_out_of_range_are_told(models, tmp_path, hours):
    result = run(tmp_path, "--hours", hours, "--models", models, "-o", tmp_path / "drift.html")
    assert result.exit_code == 1
    assert "--hours must be above 0" in result.output


def test_captures_of_the_future_are_not_of_the_last_hours(models, tmp_path):
    version, moment = release_in_service(models).version, datetime.now(UTC) + timedelta(days=900)
    n, embeddings = 80, classes(10, 2)
    columns = [[moment] * n, [version] * n, list(embeddings), [0] * n, [1.0] * n]
    table = pa.table([pa.array(*pair) for pair in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)
    CaptureStore(str(tmp_path / "captures")).write(table)
    result = run(tmp_path / "captures", "--hours", 24, "--models", models, "-o", tmp_path / "drift.html")
    assert result.exit_code == 1
    assert "holds no captures of the last 24 hours" in result.output


def test_releases_that_cannot_be_written_to_are_judged_against_all_the_same(models, tmp_path):
    read_only = shutil.copytree(models, tmp_path / "models", symlinks=True)
    shutil.rmtree(read_only / "drift_calibration", ignore_errors=True)
    (read_only / "drift_calibration").touch()  # no folder, even for those who may write everywhere
    np.save(tmp_path / "same.npy", classes(40, 1))
    result = run(tmp_path / "same.npy", "--models", read_only, "-o", tmp_path / "drift.html")
    assert result.exit_code == 0, result.output
