import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from hilander.encoder import load_encoder
from hilander.encoder.huggingface_encoder import HuggingFaceEncoder


def write_backbone(kind, folder):
    from transformers import ViTConfig
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=16, patch_size=8
    )
    kind(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    from transformers import ViTModel

    return write_backbone(ViTModel, tmp_path_factory.mktemp("backbone"))


@pytest.fixture
def damaged(backbone, tmp_path):
    """A copy to damage."""
    return shutil.copytree(backbone, tmp_path / "damaged")


def test_the_pooled_output_is_the_embedding_before_and_after_saving(backbone, tmp_path):
    from transformers import ViTModel

    images = [Image.fromarray(np.random.default_rng(i).integers(0, 255, (16, 16, 3), dtype=np.uint8)) for i in range(3)]
    encoder = HuggingFaceEncoder(backbone)
    embeddings = encoder.encode(images, batch_size=2)

    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        pooled = ViTModel.from_pretrained(backbone).eval()(pixels).pooler_output
    assert np.allclose(embeddings, torch.nn.functional.normalize(pooled).numpy(), atol=1e-5)

    encoder.save(tmp_path / "encoder")
    assert np.array_equal(load_encoder(tmp_path / "encoder").encode(images, batch_size=2), embeddings)
    assert encoder.encode([Image.new("L", (5, 9), 60)]).shape == (1, 12)


def test_a_name_is_not_downloaded():
    with pytest.raises(FileNotFoundError, match="hf download"):
        HuggingFaceEncoder("google/vit-base-patch16-224")


def test_drawings_of_any_mode_are_told_apart(backbone, special_drawings):
    embeddings = HuggingFaceEncoder(backbone).encode(special_drawings)
    similarities = embeddings @ embeddings.T
    assert similarities[~np.eye(5, dtype=bool)].max() < 0.99999


def test_a_classifiers_folder_has_no_pooler_and_gives_the_same_mean_over_tokens_at_each_loading(tmp_path):
    from transformers import ViTForImageClassification

    folder = write_backbone(ViTForImageClassification, tmp_path / "classifier")
    images = [Image.fromarray(np.random.default_rng(i).integers(0, 255, (16, 16, 3), dtype=np.uint8)) for i in range(3)]
    encoder = HuggingFaceEncoder(folder)
    embeddings = encoder.encode(images)
    torch.manual_seed(1)
    assert np.array_equal(HuggingFaceEncoder(folder).encode(images), embeddings)

    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        tokens = ViTForImageClassification.from_pretrained(folder).eval().vit(pixels).last_hidden_state
    assert np.allclose(embeddings, torch.nn.functional.normalize(tokens.mean(dim=1)).numpy(), atol=1e-5)

    encoder.save(tmp_path / "encoder")
    torch.manual_seed(2)
    loaded = load_encoder(tmp_path / "encoder")
    assert np.array_equal(loaded.encode(images), embeddings)
    loaded.save(tmp_path / "again")
    assert np.array_equal(load_encoder(tmp_path / "again").encode(images), embeddings)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_file_cut_short_is_refused_in_a_sentence_that_names_the_folder(damaged, name):
    content = (damaged / name).read_bytes()
    (damaged / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"whole Hugging Face vision model in the folder '.*damaged'"):
        HuggingFaceEncoder(damaged)


@pytest.mark.parametrize("name", ["preprocessor_config.json", "model.safetensors"])
def test_a_missing_file_is_refused_in_a_sentence_that_names_the_folder(damaged, name):
    (damaged / name).unlink()
    with pytest.raises(ValueError, match=r"whole Hugging Face vision model in the folder '.*damaged'"):
        HuggingFaceEncoder(damaged)


def test_a_weight_that_the_embedding_depends_on_must_not_be_missing(damaged):
    from safetensors.torch import load_file, save_file

    weights = load_file(damaged / "model.safetensors")
    del weights["layernorm.weight"]
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"all weights .*damaged'; 1 are missing, for instance layernorm\.weight"):
        HuggingFaceEncoder(damaged)


@pytest.mark.parametrize("turned", [False, True])
def test_a_strip_whose_centre_is_kept_is_not_blown_up(tmp_path, turned):
    from transformers import ViTModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = write_backbone(ViTModel, tmp_path / "backbone")
    CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(folder)
    encoder = HuggingFaceEncoder(folder)
    rows = np.random.default_rng(0).integers(0, 255, (4, 200_000, 3), dtype=np.uint8)
    strip, middle = (
        Image.fromarray(np.swapaxes(each, 0, 1) if turned else each) for each in (rows, rows[:, 99_980:100_020])
    )
    resized = []
    resize = encoder._processor.resize
    encoder._processor.resize = lambda image, *rest, **more: resized.append(image.shape) or resize(image, *rest, **more)
    embeddings = encoder.encode([strip, middle])
    assert max(resized[0]) <= 100
    assert resized[1] in ((3, 4, 40), (3, 40, 4))  # an image of usual shape is left as it is
    np.testing.assert_allclose(embeddings[0], embeddings[1], atol=1e-5)


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory):
    """A model without pooled output, whose last states are a map of features."""
    from transformers import SegformerConfig, SegformerModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("pyramid")
    torch.manual_seed(0)
    config = SegformerConfig(hidden_sizes=[8, 8, 8, 24], depths=[1] * 4, num_attention_heads=[1] * 4)
    SegformerModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def features_of(folder, images):
    """The map of features that the pyramid makes of them, (b, 24, height, width)."""
    from transformers import SegformerModel

    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        return SegformerModel.from_pretrained(folder, dtype=torch.float32).eval()(pixels).last_hidden_state


def draw(n):
    return [Image.fromarray(np.random.default_rng(i).integers(0, 255, (64, 64, 3), dtype=np.uint8)) for i in range(n)]


def test_of_a_map_of_features_the_mean_over_positions_is_the_embedding(pyramid):
    images = draw(3)
    expected = torch.nn.functional.normalize(features_of(pyramid, images).mean(dim=(2, 3)))
    assert expected.shape == (3, 24)
    np.testing.assert_allclose(HuggingFaceEncoder(pyramid).encode(images), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_16_bits_are_computed_with_in_32(pyramid, tmp_path, dtype):
    from transformers import SegformerModel

    folder = shutil.copytree(pyramid, tmp_path / "half")
    SegformerModel.from_pretrained(pyramid).to(dtype).save_pretrained(folder)
    images = draw(3)
    encoder = HuggingFaceEncoder(folder)
    embeddings = encoder.encode(images)
    expected = torch.nn.functional.normalize(features_of(folder, images).mean(dim=(2, 3)))
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)
    encoder.save(tmp_path / "encoder")
    np.testing.assert_allclose(load_encoder(tmp_path / "encoder").encode(images), embeddings, atol=1e-6)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_code_that_a_folder_brings_is_not_run_even_if_somebody_says_yes(damaged, tmp_path, monkeypatch, name):
    (damaged / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    classes = ("AutoConfig", "AutoModel", "AutoImageProcessor")
    config = json.loads((damaged / name).read_text()) | {
        "model_type": "own", "image_processor_type": "Own", "auto_map": dict.fromkeys(classes, "own.Own")
    }  # fmt: skip
    (damaged / name).write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(ValueError, match=r"whole Hugging Face vision model in the folder '.*damaged'"):
        HuggingFaceEncoder(damaged)
    assert not (tmp_path / "ran").exists()
