import json

import numpy as np
import pytest
from PIL import Image

from hilander.encoder import load_encoder
from hilander.encoder.identity_encoder import IdentityEncoder
from hilander.encoder.torch_encoder import TorchEncoder
from hilander.model_folder import ModelFolderError


@pytest.fixture
def folder(tmp_path):
    TorchEncoder("conv", image_size=16, width=4, embedding_size=6).save(tmp_path / "encoder")
    return tmp_path / "encoder"


def test_what_is_loaded_encodes_as_what_was_saved(drawings, tmp_path):
    encoder = TorchEncoder("resnet", image_size=16, width=4, embedding_size=6)
    encoder.save(tmp_path / "encoder")
    loaded = load_encoder(tmp_path / "encoder")
    embeddings = encoder.encode(drawings[0][:9], batch_size=4)
    assert (embeddings.shape, embeddings.dtype) == ((9, 6), np.float32)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    assert np.array_equal(loaded.encode(drawings[0][:9], batch_size=4), embeddings)
    assert np.allclose(loaded.encode(drawings[0][:9], batch_size=9), embeddings, atol=1e-6)
    assert repr(loaded) == (
        "TorchEncoder(embedding_size=6, network='resnet', image_size=16, width=4, average_views=False, color=False)"
    )
    assert sorted(path.name for path in (tmp_path / "encoder").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]


def test_no_images_is_an_error(folder):
    with pytest.raises(ValueError, match="expected images to encode, got none"):
        load_encoder(folder).encode([])


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_no_images_is_an_error(folder, drawings, batch_size):
    with pytest.raises(ValueError, match=rf"encode\.batch_size\) of at least 1; got {batch_size}"):
        load_encoder(folder).encode(drawings[0][:3], batch_size=batch_size)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelFolderError, match=name):
        load_encoder(folder)


def test_an_altered_file_is_named(folder):
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(ModelFolderError, match=r"model\.safetensors was altered"):
        load_encoder(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": "other"}', '{"format": "hilander-encoder/1"}'])
def test_another_config_is_refused(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelFolderError, match=r"config\.json"):
        load_encoder(folder)


@pytest.mark.parametrize("settings", [{"image_size": 32}, {"width": 5}, {"network": "vit"}, {"depth": 3}], ids=str)
def test_settings_that_do_not_fit_the_weights_are_refused(folder, settings):
    config = json.loads((folder / "config.json").read_text())
    config["settings"] |= settings
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ModelFolderError, match=r"(?s)does not fit together: .*(mismatch|unknown network|unexpected key)"
    ):
        load_encoder(folder)


def test_an_unknown_kind_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"name": "pickle"}))
    with pytest.raises(ModelFolderError, match="unknown kind 'pickle'"):
        load_encoder(folder)


def test_the_old_encoder_stays_until_the_new_one_is_whole(folder, monkeypatch):
    def fail(self, temporary):
        raise OSError("disk full")

    monkeypatch.setattr(TorchEncoder, "_write_weights", fail)
    with pytest.raises(OSError, match="disk full"):
        TorchEncoder("conv", image_size=16, width=4, embedding_size=7).save(folder)
    assert load_encoder(folder).embedding_size == 6
    assert [path.name for path in folder.parent.iterdir()] == ["encoder"]


def test_embeddings_that_are_brought_are_checked_and_normalised(tmp_path):
    IdentityEncoder(3).save(tmp_path / "encoder")
    encoder = load_encoder(tmp_path / "encoder")
    assert np.allclose(encoder.normalize([[2, 0, 0], [0, 3, 4]]), [[1, 0, 0], [0, 0.6, 0.8]])
    with pytest.raises(ValueError, match=r"must have shape \(n, 3\)"):
        encoder.normalize(np.ones((2, 4)))
    with pytest.raises(ValueError, match="cannot encode images"):
        encoder.encode([Image.new("L", (4, 4))])
