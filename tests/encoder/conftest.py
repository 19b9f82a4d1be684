import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def drawings(draw_characters) -> tuple[list[Image.Image], np.ndarray]:
    """24 characters, 8 drawings of each."""
    drawn = list(draw_characters(24, 8, side=24, margin=3, shake=2))
    return [image for _, _, image in drawn], np.array([f"character{character:02d}" for character, _, _ in drawn])
