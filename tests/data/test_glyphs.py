import numpy as np
import pytest
from PIL import Image, ImageDraw

from hilander.config import DataParams
from hilander.data import glyphs, read_dataset, train_test
from hilander.data.glyph_classes import (
    REFERENCE_FACE,
    glyph_classes,
    load_faces,
    look_alikes,
    merge_homoglyphs,
    script_of,
)
from hilander.data.glyph_wear import wear


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Draw a small form of the dataset once."""
    scripts = {"train_scripts": {"HEBREW": 12}, "test_scripts": {"GEORGIAN": 8}}
    folder = tmp_path_factory.mktemp("glyphs")
    return [glyphs.write_glyphs(folder / name, **scripts) for name in ("one", "two")]


def test_the_same_seed_gives_the_same_file(written):
    assert written[0].read_bytes() == written[1].read_bytes()


def test_small_grey_images_of_disjoint_scripts(written):
    dataset = read_dataset(written[0].parent)
    train, test = train_test(dataset, DataParams())
    assert (len(train.classes), len(test.classes)) == (12, 8)
    assert all(script_of(chr(int(i[2:6], 16))) == "HEBREW" for i in train.ids)
    assert len(np.unique(dataset.ids)) == len(dataset)
    sizes = np.unique(dataset.labels, return_counts=True)[1]
    assert sizes.min() >= glyphs.SMALLEST_CLASS
    assert sizes.max() <= glyphs.LARGEST_CLASS
    assert (dataset.images[0].size, dataset.images[0].mode) == ((32, 32), "L")


def test_class_sizes_have_a_long_tail():
    sizes = glyphs.class_sizes(2000, np.random.default_rng(0))
    assert (sizes.min(), sizes.max()) == (glyphs.SMALLEST_CLASS, glyphs.LARGEST_CLASS)
    assert np.median(sizes) < 0.8 * sizes.mean()


def test_homoglyphs_are_one_class_and_others_are_not():
    letters = "ABDGKMQRabdegkmqΑΔΨΟΒАЖОЯ"
    merged = merge_homoglyphs([*letters, " "], load_faces()[REFERENCE_FACE][0])
    assert {"AΑА", "BΒ", "ΟО"} <= set(merged)
    assert "".join(sorted("".join(merged))) == "".join(sorted(letters))  # the blank is gone, nothing else
    assert len(merged) == len(letters) - 4


def test_a_shape_that_two_classes_share_is_in_neither():
    classes = glyph_classes({"ARMENIAN": 30, "HEBREW": 30}, np.random.default_rng(0))
    owner = np.repeat(np.arange(len(classes)), [len(c.drawings) for c in classes])
    first, second = look_alikes(np.concatenate([c.drawings for c in classes]))
    assert len(first)
    assert (owner[first] == owner[second]).all()
    assert {c.script for c in classes} == {"ARMENIAN", "HEBREW"}


def test_look_alikes_are_found_among_shapes():
    shapes = []
    for box in ((8, 8, 56, 56), (8, 9, 56, 56), (20, 8, 44, 56)):
        image = Image.new("L", (64, 64))
        ImageDraw.Draw(image).ellipse(box, outline=255, width=6)
        shapes.append(np.asarray(image, dtype=np.float32) / 255)
    assert [pair.tolist() for pair in look_alikes(np.stack(shapes))] == [[0], [1]]


def test_wear_changes_with_the_generator_and_keeps_a_drawing():
    drawing = np.zeros((64, 64), dtype=np.float32)
    drawing[8:56, 28:36] = 1
    first, again, other = (wear(drawing, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (first.shape, first.dtype) == ((32, 32), np.uint8)
    assert len(np.unique(first)) <= 16
    assert first[:, 12:20].mean() < first[:, :6].mean()  # dark ink where the stroke is
