import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def drawings(draw_characters) -> tuple[list[Image.Image], np.ndarray]:
    """24 characters, 8 drawings of each."""
    drawn = list(draw_characters(24, 8, side=24, margin=3, shake=2))
    return [image for _, _, image in drawn], np.array([f"character{character:02d}" for character, _, _ in drawn])


@pytest.fixture(params=["transparent", "16 bits"])
def special_drawings(request) -> list[Image.Image]:
    """Five different drawings, in black on a transparent ground or with 16-bit pixels that are all above 255."""
    drawn = []
    for i in range(5):
        grey = np.random.default_rng(i).integers(1, 255, (16, 16)).astype(np.uint8)
        if request.param == "16 bits":
            drawn.append(Image.fromarray(grey.astype(np.uint16) * 257))
        else:
            image = Image.new("RGBA", (16, 16))
            image.putalpha(Image.fromarray(grey))
            drawn.append(image)
    return drawn
