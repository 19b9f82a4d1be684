"""`hilander self-train`, from image folders to encoder, model and clusters."""

import shutil

import numpy as np
import pandas as pd
import pytest

from hilander.config import EncoderParams
from hilander.data import read_dataset, write_dataset
from hilander.encoder import load_encoder, train_encoder
from hilander.models.persistence import load_model
from tests.cli.conftest import run

PARAMS = """\
encoder: {image_size: 24, width: 8, embedding_size: 16, epochs: 4, batch_size: 32, learning_rate: 0.01}
lander: {hilander: {n_item_steps: 50}}
"""
SHORT = ("--rounds", "1", "--epochs", "1")


@pytest.fixture(scope="module")
def encoder(draw_characters):
    drawn = [(f"{character:02d}", image) for character, _, image in draw_characters(12, 8, side=24, margin=3, shake=2)]
    params = EncoderParams(
        image_size=24, width=8, embedding_size=16, epochs=4, batch_size=32, learning_rate=0.01, held_out_share=0.0
    )
    return train_encoder([image for _, image in drawn], [name for name, _ in drawn], params)[0]


@pytest.fixture
def workspace(tmp_path, monkeypatch, draw_characters, encoder):
    """Labelled images in folders, unlabelled ones side by side, the encoder and its parameters."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for character, number, image in draw_characters(24, 8, side=24, margin=3, shake=2):
        folder = tmp_path / "data" / f"{character:02d}" if character < 12 else tmp_path / "photos"
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{character:02d}-{number}.png")
    encoder.save("encoder")
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def self_train(*arguments):
    return run("self-train", "photos", "--labelled", "data", "--encoder", "encoder", *SHORT, *arguments)


def test_photos_are_clustered_and_the_new_encoder_and_model_make_the_same_clusters(workspace, encoder):
    result = self_train("-o", "out")
    assert result.exit_code == 0, result.output
    assert "round 1: learned from" in result.output
    clusters = pd.read_parquet("out/clusters.parquet")
    assert len(clusters) == 96
    assert f"96 images in {clusters['cluster'].nunique()} clusters" in result.output
    assert sorted(path.name for path in (workspace / "out").iterdir()) == ["clusters.parquet", "encoder", "model"]
    assert load_model("out/model").provenance["training"]["n_item_steps"] == 50
    again = run("cluster", "photos", "--encoder", "out/encoder", "--model", "out/model", "-o", "again.parquet")
    assert again.exit_code == 0, again.output
    assert np.array_equal(pd.read_parquet("again.parquet")["cluster"], clusters["cluster"])
    images = list(read_dataset(workspace / "photos").images)
    assert not np.allclose(load_encoder("out/encoder").encode(images), encoder.encode(images), atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--params", "missing.yaml"), "expected parameters in missing.yaml"),
        (("--labelled", "others"), "others holds no labels"),
        (("--labelled", "bare.npy"), "bare.npy holds embeddings, and an encoder learns from images"),
        (("--split", "test"), "expected a split 'test'"),
        (("--rounds", "0"), "rounds must be"),
        (("--learning-rate", "0"), "learning_rate must be"),
        (
            ("--labelled", "photos/../photos"),
            "96 of the images to cluster are among the labelled ones, photos/../photos",
        ),
        (("-o", "photos"), "lies in photos, and would be read as data"),
        (("--encoder", "data"), "data"),
    ],
)
def test_what_cannot_be_learned_from_is_told_in_a_sentence(workspace, arguments, told):
    np.save("bare.npy", np.eye(3, dtype=np.float32))
    shutil.copytree("photos", "others")
    result = self_train(*arguments)
    assert result.exit_code == 1
    assert told in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.parametrize("form", ["folder", "parquet"])
@pytest.mark.parametrize("labelled_split", [None, "test"])
def test_images_whose_classes_are_told_are_not_clustered(workspace, form, labelled_split):
    shutil.move("data", "parts")
    for split, first, last in (("train", 0, 6), ("test", 6, 12)):
        for character in range(first, last):
            shutil.copytree(f"parts/{character:02d}", f"data/{split}/{character:02d}")
    images = "data"
    if form == "parquet":
        images = "parts.parquet"
        write_dataset(read_dataset("data"), images)
    told = () if labelled_split is None else ("--labelled-split", labelled_split)
    arguments = ("--split", "test", "--labelled", images, "--encoder", "encoder", *SHORT, *told)
    result = run("self-train", images, *arguments)
    assert result.exit_code == 1
    assert f"48 of the images to cluster are among the labelled ones, {images}" in " ".join(result.output.split())
    assert not (workspace / "self-trained" / "checkpoints").exists()


def test_images_that_cannot_be_read_are_all_named_before_anything_is_learned(workspace):
    damaged = sorted((workspace / "photos").iterdir())[3], sorted((workspace / "data" / "07").iterdir())[0]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:50])
    result = self_train("-o", "out")
    assert result.exit_code == 1
    assert "2 images cannot be read" in result.output
    assert all(path.name in result.output for path in damaged)
    assert not (workspace / "out" / "checkpoints").exists()
