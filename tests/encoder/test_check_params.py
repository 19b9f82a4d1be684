import dataclasses
import math

import pytest

from hilander.config import EncoderParams, NetworkParams
from hilander.data import Dataset, Images
from hilander.encoder import make_encoder, train_encoder
from hilander.encoder.check_params import check_encoder_params


class Unread:
    """Images that must not be read."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        raise AssertionError("read an image before the parameters were checked")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("width", 0),
        ("embedding_size", -1),
        ("image_size", -1),
        ("epochs", 0),
        ("batch_size", 1),
        ("learning_rate", 0.0),
        ("learning_rate", -1.0),
        ("learning_rate", math.nan),
        ("weight_decay", -0.1),
        ("augmentation", -1.0),
        ("augmentation", 5.0),
        ("scale", 0.0),
        ("held_out_share", 1.0),
        ("held_out_share", -0.1),
        ("held_out_share", math.nan),
        ("margin", -1.0),
        ("margin", 200.0),
        ("seed", -1),
        ("whitening", 0.0),
    ],
)
def test_a_number_out_of_its_range_is_named_before_an_image_is_read(key, value):
    params = dataclasses.replace(EncoderParams(), **{key: value})
    with pytest.raises(ValueError, match=rf"encoder\.{key} must be .*; got {value}"):
        train_encoder(Unread(), ["a", "a", "b", "b"], params)


def test_a_margin_must_fit_its_loss():
    check_encoder_params(EncoderParams(loss="arcface", margin=28.6))
    check_encoder_params(EncoderParams(loss="cosface", margin=0.2))
    with pytest.raises(ValueError, match=r"encoder\.margin must be from 0 to 1 for cosface, or null; got 28\.6"):
        check_encoder_params(EncoderParams(loss="cosface", margin=28.6))
    with pytest.raises(ValueError, match=r"encoder\.margin must be from 0 to 0 for softmax"):
        check_encoder_params(EncoderParams(loss="softmax", margin=0.2))


def test_the_networks_of_an_ensemble_are_checked_too():
    with pytest.raises(ValueError, match=r"encoder\.width must be from 1 to .*; got 0"):
        check_encoder_params(EncoderParams(ensemble=(NetworkParams(), NetworkParams(width=0))))


def test_make_encoder_checks_as_well():
    dataset = Dataset(ids=["a", "b"], labels=[0, 1], images=Images([b"", b""], ["a", "b"]))
    with pytest.raises(ValueError, match=r"encoder\.image_size must be from 1 to .*; got 0"):
        make_encoder(dataset, EncoderParams(image_size=0))
