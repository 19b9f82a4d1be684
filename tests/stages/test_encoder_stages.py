import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from hilander.data import Dataset, write_dataset
from hilander.encoder.torch_encoder import TorchEncoder
from hilander.stages import encode, train_encoder

LABELS = np.repeat([f"class{i}" for i in range(10)], 4)
SPLITS = np.where(np.arange(40) < 28, "train", "test")
TINY = "{image_size: 16, width: 4, embedding_size: 6, epochs: 2, batch_size: 8, held_out_share: 0.3}"


def draw_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for i, (label, split) in enumerate(zip(LABELS, SPLITS, strict=True)):
        image = Image.new("L", (16, 16), 255)
        ImageDraw.Draw(image).line([(2, 2), *map(tuple, rng.integers(2, 14, (2, 2)).tolist())], fill=0, width=2)
        path = folder / "data" / split / label / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)


def test_images_are_encoded_and_a_damaged_one_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_images(tmp_path)
    (tmp_path / "params.yaml").write_text(f"encoder: {TINY}")
    train_encoder.main()
    metrics = json.loads((tmp_path / "reports/encoder.json").read_text())
    history = pd.read_csv(tmp_path / "reports/encoder_training.csv")
    assert list(history.columns) == ["epoch", "loss", "held_out_one_nn"]
    assert metrics == {"embedding_size": 6, "epochs": 2, "held_out_one_nn": history["held_out_one_nn"].max()}
    assert not (tmp_path / "artifacts/checkpoints/encoder").exists()

    encode.main()
    embeddings = np.load(tmp_path / "artifacts/embeddings/test/embeddings.npy")
    items = pd.read_parquet(tmp_path / "artifacts/embeddings/test/items.parquet")
    assert (embeddings.shape, embeddings.dtype) == ((12, 6), np.float32)
    assert sorted(items["label"].unique()) == ["class7", "class8", "class9"]
    report = json.loads((tmp_path / "reports/encode.json").read_text())
    assert {split: report[split]["items"] for split in report} == {"train": 28, "test": 12}

    cut = tmp_path / "data/test/class9/39.png"
    cut.write_bytes(cut.read_bytes()[:60])
    before = (tmp_path / "artifacts/embeddings").stat()
    command = [sys.executable, "-m", "hilander.stages.encode"]
    failed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "39.png" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert (tmp_path / "artifacts/embeddings").stat() == before


def test_embeddings_that_are_brought_skip_the_encoder_by_params_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    embeddings = np.eye(10)[np.arange(40) // 4] * 3 + np.random.default_rng(0).normal(0, 0.01, (40, 10))
    write_dataset(Dataset(np.arange(40), LABELS, SPLITS, embeddings=embeddings), tmp_path / "data" / "mine.parquet")
    (tmp_path / "params.yaml").write_text("encoder: {name: resnet}")
    with pytest.raises(ValueError, match=r"set encoder\.name in params\.yaml to identity"):
        train_encoder.main()

    (tmp_path / "params.yaml").write_text("encoder: {name: identity}")
    train_encoder.main()
    encode.main()
    assert pd.read_csv(tmp_path / "reports/encoder_training.csv").empty
    encoded = np.load(tmp_path / "artifacts/embeddings/train/embeddings.npy")
    expected = embeddings[:28] / np.linalg.norm(embeddings[:28], axis=1, keepdims=True)
    assert np.allclose(encoded, expected, atol=1e-6)
    assert json.loads((tmp_path / "reports/encode.json").read_text())["test"] == {
        "items": 12,
        "classes": 3,
        "one_nn": 1.0,
    }


def test_a_single_item_has_no_nearest_neighbour_and_the_reports_stay_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_images(tmp_path)
    for path in (tmp_path / "data").rglob("*.png"):
        if path.parent.parent.name == "test" and path.stem != "39":
            path.unlink()
    (tmp_path / "params.yaml").write_text(f"encoder: {TINY}")
    train_encoder.main()
    encode.main()
    report = json.loads((tmp_path / "reports/encode.json").read_text())
    assert report["test"] == {"items": 1, "classes": 1}
    assert "one_nn" in report["train"]


def test_a_single_held_out_item_gives_no_accuracy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_images(tmp_path)
    for i, path in enumerate(sorted((tmp_path / "data/train").rglob("*.png"))):
        if i % 4:
            path.unlink()  # seven classes of one item, of which one is held out
    (tmp_path / "params.yaml").write_text(f"encoder: {TINY.replace('0.3', '0.1')}")
    train_encoder.main()
    assert json.loads((tmp_path / "reports/encoder.json").read_text()) == {"embedding_size": 6, "epochs": 2}


@pytest.mark.parametrize(
    ("stage", "params", "told"),
    [
        ("train_encoder", "encoder: {name: huggingface, path: backbone}", "'backbone'"),
        ("train_encoder", "encoder: {learning_rate: -1}", "encoder.learning_rate must be from"),
        ("encode", "encode: {batch_size: -1}", "encode.batch_size"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence(tmp_path, monkeypatch, stage, params, told):
    monkeypatch.chdir(tmp_path)
    draw_images(tmp_path)
    TorchEncoder("conv", 16, 4, 6).save(tmp_path / "artifacts/encoder")
    (tmp_path / "backbone").mkdir()
    (tmp_path / "backbone" / "config.json").write_text("{")
    (tmp_path / "params.yaml").write_text(params)
    command = [sys.executable, "-m", f"hilander.stages.{stage}"]
    failed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode == 1
    assert told in failed.stderr
    assert "Traceback" not in failed.stderr
