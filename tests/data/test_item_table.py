import io

import numpy as np
import pytest
from PIL import Image

from hilander.data import Dataset, Images
from hilander.data.item_table import item_table

N = 36


def transparent(pixels: np.ndarray) -> Image.Image:
    """Black ink whose shape the transparency alone holds."""
    return Image.merge("LA", [Image.new("L", pixels.shape), Image.fromarray(pixels)])


def sixteen_bits(pixels: np.ndarray) -> Image.Image:
    """Values that all lie above 255."""
    return Image.fromarray(1000 + 200 * pixels.astype(np.uint16))


@pytest.mark.parametrize("drawn", [transparent, sixteen_bits])
def test_images_are_judged_as_people_see_them(drawn):
    # Pillow drops transparency and cuts 16 bits off at 255: every such image was one and the same, and empty.
    sources, ids = [], np.arange(N).astype(str)
    for seed in range(N):
        buffer = io.BytesIO()
        drawn(np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8)).save(buffer, "PNG")
        sources.append(buffer.getvalue())
    table = item_table(Dataset(ids, ids, np.full(N, "train"), images=Images(sources, ids)))
    assert table["readable"].all()
    assert not table["near_empty"].any()
    assert not table["duplicate"].any()
