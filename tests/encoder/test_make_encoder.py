import numpy as np
import pytest

from hilander.config import EncoderParams
from hilander.data import Dataset, Images
from hilander.encoder import encode_dataset, make_encoder
from hilander.encoder.identity_encoder import IdentityEncoder

VECTORS = Dataset(ids=["a", "b", "c", "d"], labels=[0, 0, 1, 1], embeddings=np.diag([1.0, 2, 3, 4]))
PICTURES = Dataset(ids=["a"], labels=[0], images=Images([b""], np.array(["a"])))


def test_embeddings_that_are_brought_need_no_training():
    encoder, history = make_encoder(VECTORS, EncoderParams(name="identity"))
    assert history == []
    assert isinstance(encoder, IdentityEncoder)
    assert np.array_equal(encode_dataset(encoder, VECTORS), np.eye(4, dtype=np.float32))


def test_the_kind_of_the_data_must_fit_the_encoder():
    with pytest.raises(ValueError, match=r"hold images; set encoder\.name"):
        make_encoder(PICTURES, EncoderParams(name="identity"))
    with pytest.raises(ValueError, match="to identity"):
        make_encoder(VECTORS, EncoderParams(name="resnet"))
    with pytest.raises(ValueError, match="hold images"):
        encode_dataset(IdentityEncoder(4), PICTURES)
    with pytest.raises(ValueError, match=r"unknown encoder\.name 'resnet50'; known: resnet, conv, onnx"):
        make_encoder(PICTURES, EncoderParams(name="resnet50"))


def test_an_encoder_is_not_trained_without_labels():
    unlabelled = Dataset(ids=["a"], images=Images([b""], np.array(["a"])))
    with pytest.raises(ValueError, match="no labels"):
        make_encoder(unlabelled, EncoderParams())
