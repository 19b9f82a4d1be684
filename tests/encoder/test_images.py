import io
import struct

import numpy as np
import pytest
from PIL import Image

from hilander.data import DataError, Images
from hilander.data.images import as_shown
from hilander.encoder.images import prepare_image, prepare_images, show_colors


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


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_colours_stay_as_they_are_in_every_mode(mode):
    colors = np.full((16, 16, 3), (255, 255, 204), dtype=np.uint8)  # as bright as paper, and not inverted
    colors[4:12, 6:10] = (204, 51, 102)  # both in the palette that Pillow converts to
    prepared = prepare_image(Image.fromarray(colors).convert(mode), 16, color=True)
    assert prepared.shape == (16, 16, 3)
    assert np.array_equal(prepared, colors)


def test_grey_in_colour_is_three_times_the_same():
    grey = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    prepared = prepare_image(Image.fromarray(grey), 16, color=True)
    assert np.array_equal(prepared, np.repeat(grey[:, :, None], 3, axis=2))


def test_a_coloured_image_is_padded_with_the_colour_of_its_border():
    wide = Image.new("RGB", (60, 20), (200, 30, 60))
    wide.paste((0, 255, 0), (20, 5, 40, 15))
    prepared = prepare_image(wide, 60, color=True)
    assert (prepared[:20] == (200, 30, 60)).all()
    rows, columns = np.nonzero((prepared == (0, 255, 0)).all(axis=2))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (10, 20)


def test_a_set_shows_colours_where_a_tenth_of_its_images_do():
    grey = [Image.new("RGB", (80, 90), (value, value, value)) for value in range(100, 190)]
    spot = Image.new("RGB", (80, 90), "white")
    spot.paste((255, 200, 0), (0, 0, 20, 20))
    assert not show_colors([*grey, Image.new("L", (9, 9))])
    assert show_colors([spot])
    assert spot.size == (80, 90)
    assert show_colors([spot if i % 9 == 0 else image for i, image in enumerate(grey)])
    assert not show_colors([spot if i % 18 == 0 else image for i, image in enumerate(grey)])


def test_transparent_ground_is_paper():
    ink = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    ink.paste((0, 0, 0, 255), (4, 4, 12, 12))
    prepared = prepare_image(ink, 16)
    assert (prepared[8, 8], prepared[0, 0]) == (255, 0)


def test_a_sequence_becomes_one_uint8_tensor():
    prepared = prepare_images([Image.new("L", (8, 8)), Image.new("RGB", (9, 5))], 12)
    assert prepared.shape == (2, 1, 12, 12)
    in_color = prepare_images([Image.new("L", (8, 8)), Image.new("RGB", (9, 5), "blue")], 12, color=True)
    assert in_color.shape == (2, 3, 12, 12)
    assert in_color[1].flatten(1).unique(dim=1).ravel().tolist() == [0, 0, 255]
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


def tiff_of_12_bits(grey):
    """Pillow writes none: two pixels in three bytes."""
    first, second = (grey[:, i::2].astype(int) * 4095 // 255 for i in (0, 1))
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=2).astype(np.uint8).tobytes()
    return tiff(grey.shape, 12, 1, packed)


def tiff(shape, bits, photometric, packed):
    height, width = shape
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 122), (277, 1), (278, height)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in [*tags, (279, len(packed))])
    return (b"II*\0" + struct.pack("<IH", 8, len(tags) + 1) + entries).ljust(122, b"\0") + packed


def test_grey_of_12_bits_is_scaled_as_that_of_16():
    grey = np.full((16, 16), 255, dtype=np.uint8)
    grey[4:12, 6:10] = 0
    image = Images([tiff_of_12_bits(grey)], np.array(["a"]))[0]
    assert np.array_equal(prepare_image(image, 16), 255 - grey)


@pytest.mark.parametrize("bits", [8, 16])
def test_of_a_tiff_whose_white_is_zero_light_stays_light(bits):
    grey = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    packed = (255 - grey).tobytes() if bits == 8 else ((255 - grey).astype("<u2") * 257).tobytes()
    image = Images([tiff(grey.shape, bits, 0, packed)], np.array(["a"]))[0]
    assert np.array_equal(as_shown(image), grey)


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_a_tiff_that_is_turned_is_the_same_picture_loaded_before_or_not(orientation):
    deep = np.random.default_rng(0).integers(0, 1 << 16, (8, 16), dtype=np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "TIFF", tiffinfo={262: 0, 274: orientation})
    expected = np.rot90(255 - (deep >> 8), {1: 0, 6: -1, 8: 1}[orientation])
    with Image.open(buffer) as opened:
        assert np.array_equal(as_shown(opened), expected)
        assert np.array_equal(as_shown(opened), expected)


def test_grey_of_16_bits_lies_on_white_where_it_is_transparent():
    deep = np.full((16, 16), 7, dtype=np.uint16)
    deep[4:12, 6:10] = 6
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG", transparency=7)
    prepared = prepare_image(Images([buffer.getvalue()], np.array(["a"]))[0], 16)
    assert np.array_equal(prepared, np.where(deep == 6, 255, 0))
