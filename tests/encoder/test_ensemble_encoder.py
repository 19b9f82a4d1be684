import dataclasses

import numpy as np
import pytest

from hilander.config import EncoderParams, NetworkParams
from hilander.encoder import load_encoder, train_encoder
from hilander.encoder.ensemble_encoder import EnsembleEncoder
from hilander.encoder.torch_encoder import TorchEncoder
from hilander.model_folder import ModelFolderError
from hilander.typed_mapping import ConfigError, from_mapping
from hilander.whitening import Whitening

PARAMS = EncoderParams(
    name="conv", image_size=16, width=8, embedding_size=8, epochs=2, batch_size=32, held_out_share=0.0
)
TWO = dataclasses.replace(PARAMS, ensemble=(NetworkParams(), NetworkParams(image_size=24, epochs=1)))


@pytest.fixture(scope="module")
def members() -> list[TorchEncoder]:
    return [TorchEncoder("conv", 16, 4, 6), TorchEncoder("resnet", 24, 4, 10)]


def test_a_cosine_is_the_mean_of_the_members_cosines(members, drawings):
    images = drawings[0][:20]
    together = EnsembleEncoder(members).encode(images, batch_size=7)
    alone = [member.encode(images) for member in members]
    assert together.shape == (20, 16)
    assert np.allclose(together @ together.T, sum(x @ x.T for x in alone) / 2, atol=1e-5)


@pytest.mark.parametrize("whitened", [False, True])
def test_what_is_loaded_encodes_as_what_was_saved(members, drawings, tmp_path, whitened):
    images, labels = drawings
    whitenings = [Whitening.fit(member.encode(images), labels, 0.3) for member in members] if whitened else []
    encoder = EnsembleEncoder(members, whitenings)
    encoder.save(tmp_path / "encoder")
    assert np.array_equal(load_encoder(tmp_path / "encoder").encode(images[:9]), encoder.encode(images[:9]))
    weights = tmp_path / "encoder" / "member_1" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(ModelFolderError, match=r"model\.safetensors was altered"):
        load_encoder(tmp_path / "encoder")


def test_networks_are_trained_one_by_one_as_each_would_be_alone(drawings, tmp_path):
    encoder, history = train_encoder(*drawings, TWO, checkpoint_folder=tmp_path)
    first, second = (train_encoder(*drawings, own)[0] for own in TWO.networks())
    expected = EnsembleEncoder([first, second]).encode(drawings[0][:12])
    assert np.array_equal(encoder.encode(drawings[0][:12]), expected)
    assert [record.epoch for record in history] == [1, 2, 3]
    again, _ = train_encoder(*drawings, TWO, checkpoint_folder=tmp_path)
    assert np.array_equal(again.encode(drawings[0][:12]), expected)


def test_whitening_is_learned_from_the_training_images(drawings):
    params = dataclasses.replace(PARAMS, whitening=0.3)
    encoder, _ = train_encoder(*drawings, params)
    alone, _ = train_encoder(*drawings, PARAMS)
    embeddings = alone.encode(drawings[0])
    expected = Whitening.fit(embeddings, drawings[1], 0.3)(embeddings)
    assert np.allclose(encoder.encode(drawings[0]), expected, atol=1e-6)


def test_a_block_of_params_yaml_says_what_each_network_does_otherwise():
    raw = {"epochs": 9, "seed": 3, "rotate_classes": True, "whitening": 0.3}
    raw["ensemble"] = [{}, {"rotate_classes": False, "epochs": 5}, {"seed": 7}]
    networks = from_mapping(EncoderParams, raw, "encoder").networks()
    assert [(own.epochs, own.rotate_classes, own.seed) for own in networks] == [
        (9, True, 3),
        (5, False, 4),
        (9, True, 7),
    ]
    assert all(own.ensemble == () and own.whitening is None for own in networks)
    with pytest.raises(ConfigError, match=r"ensemble\[0\]: unknown key 'epoch'; did you mean 'epochs'"):
        from_mapping(EncoderParams, {"ensemble": [{"epoch": 1}]}, "encoder")


def test_members_and_whitenings_must_match(members):
    with pytest.raises(ValueError, match="a whitening for each or none; got 0 encoders"):
        EnsembleEncoder([])
