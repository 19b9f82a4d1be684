import numpy as np
import pytest
from PIL import Image, ImageDraw


@pytest.fixture(scope="session")
def drawings() -> tuple[list[Image.Image], np.ndarray]:
    """24 characters made of random strokes, 8 shaky drawings of each, ink on paper."""
    rng = np.random.default_rng(0)
    images, labels = [], []
    for character in range(24):
        strokes = rng.integers(3, 21, (5, 2))
        for _ in range(8):
            image = Image.new("L", (24, 24), 255)
            shaky = strokes + rng.integers(-2, 3, strokes.shape)
            ImageDraw.Draw(image).line([tuple(point) for point in shaky.tolist()], fill=0, width=2)
            images.append(image)
            labels.append(f"character{character:02d}")
    return images, np.array(labels)
