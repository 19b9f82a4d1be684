import io

import numpy as np
import pytest
from PIL import Image

from hilander.data import DataError, Images
from hilander.encoder.images import prepare_image, prepare_images


def test_ink_is_bright_on_a_dark_ground_whatever_the_original_was():
    paper = Image.new("L", (40, 40), 250)
    paper.paste(10, (15, 15, 25, 25))
    blackboard = Image.fromarray(255 - np.asarray(paper))
    assert np.array_equal(prepare_image(paper, 20), prepare_image(blackboard, 20))
    assert prepare_image(paper, 20)[10, 10] > 200
    assert prepare_image(paper, 20)[0, 0] < 20


def test_a_wide_image_is_padded_with_its_ground_and_keeps_its_proportions():
    wide = Image.new("L", (60, 20), 200)
    wide.paste(0, (20, 5, 40, 15))
    prepared = prepare_image(wide, 60)
    assert set(np.unique(prepared[:20])) == {55}
    rows, columns = np.nonzero(prepared == 255)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (10, 20)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "LA", "P", "I;16", "CMYK"])
def test_every_mode_of_pillow_gives_the_same_picture(mode):
    grey = np.full((16, 16), 255, dtype=np.uint8)
    grey[4:12, 6:10] = 0
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(grey).convert("RGB" if mode == "CMYK" else mode).convert(mode)
    assert image.mode == mode
    assert np.array_equal(prepare_image(image, 16), 255 - grey)


def test_transparent_ground_is_paper():
    ink = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    ink.paste((0, 0, 0, 255), (4, 4, 12, 12))
    prepared = prepare_image(ink, 16)
    assert (prepared[8, 8], prepared[0, 0]) == (255, 0)


def test_a_sequence_becomes_one_uint8_tensor():
    prepared = prepare_images([Image.new("L", (8, 8)), Image.new("RGB", (9, 5))], 12)
    assert prepared.shape == (2, 1, 12, 12)
    assert prepared.dtype.itemsize == 1


def test_a_truncated_image_is_named():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 30), dtype=np.uint8)).save(buffer, "PNG")
    whole = buffer.getvalue()
    images = Images([whole, whole[: len(whole) // 2]], np.array(["good.png", "cut.png"]))
    with pytest.raises(DataError, match=r"cut\.png"):
        prepare_images(images, 16)


@pytest.mark.parametrize("turned", [False, True])
def test_a_strip_however_long_is_never_padded_to_a_square_of_its_length(turned):
    strip = Image.new("L", (1_000_000, 2), 255)
    strip.paste(0, (0, 0, 500_000, 2))
    prepared = prepare_image(strip.transpose(Image.Transpose.ROTATE_90) if turned else strip, 16)  # 931 GiB as a square
    assert prepared.shape == (16, 16)
