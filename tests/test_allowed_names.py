"""Every name that params.yaml and the service's description allow is one that the code takes, and no other is."""

import dataclasses
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image

from hilander.allowed_values import OneOf
from hilander.config import EncoderParams, LanderParams, Params, PublishedParams
from hilander.data.read import FORMATS
from hilander.encoder import train_encoder
from hilander.encoder.make_encoder import ENCODERS
from hilander.encoder.margin_heads import DEFAULT_MARGINS
from hilander.encoder.precision import use_bfloat16
from hilander.estimator_parameters import OUTLIERS
from hilander.evaluation.baselines import BASELINES
from hilander.graph.knn import METHODS
from hilander.linkage_threshold import ADAPTED
from hilander.models.registry import MODELS
from hilander.models.similarity import SimilarityModel
from hilander.nn.convolution import CONVOLUTIONS
from hilander.serving.options import CLUSTER_OPTIONS
from hilander.serving.pairs_body import PAIRS
from hilander.serving.schemas import KNOBS
from hilander.training.train_lander import train_lander


def allowed(block, place=""):
    """Yield the place and the names of each parameter that is one of some names."""
    for key, kind in get_type_hints(block, include_extras=True).items():
        for inner in (kind, *get_args(kind)):  # of a list: what each of it must be
            if isinstance(inner, type) and dataclasses.is_dataclass(inner):
                yield from allowed(inner, f"{place}{key}.")
            for one_of in getattr(inner, "__metadata__", ()):
                if isinstance(one_of, OneOf):
                    yield f"{place}{key}", set(one_of.names)


ALLOWED = dict(allowed(Params))
TRAINED = set(MODELS) - {SimilarityModel.variant}  # which learns nothing
LISTED = {
    "data.format": FORMATS,
    "encoder.name": ENCODERS,
    "encoder.loss": DEFAULT_MARGINS,
    "graph.method": METHODS,
    "lander.variant": TRAINED,
    "lander.compare_with": TRAINED,
    "lander.published.convolution": CONVOLUTIONS,
    "evaluate.baselines": BASELINES,
}
TRIED = {"encoder.color", "encoder.precision", "lander.published.optimizer"}  # one by one, below


def test_every_parameter_of_names_is_compared_here():
    assert set(ALLOWED) == {*LISTED, *TRIED}


@pytest.mark.parametrize("place", LISTED)
def test_what_the_code_lists_is_what_may_be_given(place):
    assert ALLOWED[place] == set(LISTED[place])


@pytest.mark.parametrize("variant", sorted(ALLOWED["lander.variant"]))
def test_every_variant_has_parameters_of_its_own_and_is_trained(variant):
    params = LanderParams().params_of(variant)
    few = {"epochs": 1} if variant == "published" else {"n_item_steps": 1, "n_cluster_steps": 1, "n_starter_steps": 1}
    assert train(variant, dataclasses.replace(params, **few)).variant == variant


@pytest.mark.parametrize("optimizer", sorted(ALLOWED["lander.published.optimizer"]))
def test_every_optimizer_trains(optimizer):
    model = train("published", PublishedParams(optimizer=optimizer, epochs=1, hidden_features=8))
    assert model.provenance["training"]["optimizer"] == optimizer


def train(variant, params):
    labels = np.repeat(np.arange(12), 6)
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(12, 8))[labels] + 0.3 * random.normal(size=(len(labels), 8))
    return train_lander(embeddings, labels, variant=variant, params=params, device="cpu")


def test_every_precision_is_known_and_no_other():
    assert {type(use_bfloat16(name, torch.device("cpu"))) for name in ALLOWED["encoder.precision"]} == {bool}
    with pytest.raises(ValueError, match="unknown precision 'float16'; known: auto, float32, bfloat16"):
        use_bfloat16("float16", torch.device("cpu"))


def test_every_color_makes_the_encoder_that_it_names():
    """`grey` and `rgb` whatever the images show; `auto` by what they show."""
    shades = np.random.default_rng(0).integers(0, 255, (8, 16, 16), np.uint8)
    grey = [Image.fromarray(shade) for shade in shades]
    red = [Image.merge("RGB", (image, Image.new("L", (16, 16)), Image.new("L", (16, 16)))) for image in grey]
    found = {}
    for color in sorted(ALLOWED["encoder.color"]):
        params = EncoderParams(
            name="conv", color=color, image_size=16, width=4, embedding_size=4, epochs=1, batch_size=4,
            held_out_share=0.0, device="cpu",
        )  # fmt: skip
        found[color] = tuple(train_encoder(images, list("aabbccdd"), params)[0].color for images in (grey, red))
    assert found == {"auto": (False, True), "grey": (False, False), "rgb": (True, True)}


def test_the_service_describes_the_options_that_it_takes():
    assert {*KNOBS, *PAIRS} == CLUSTER_OPTIONS
    assert KNOBS["outliers"]["enum"] == list(OUTLIERS)
    assert [kind["enum"] for kind in KNOBS["linkage_threshold"]["oneOf"] if "enum" in kind] == [[ADAPTED]]
