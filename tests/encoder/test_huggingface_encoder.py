import numpy as np
import pytest
import torch
from PIL import Image

from hilander.encoder import load_encoder
from hilander.encoder.huggingface_encoder import HuggingFaceEncoder


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("backbone")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=16, patch_size=8
    )
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


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
