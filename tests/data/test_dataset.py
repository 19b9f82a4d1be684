import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilander.data import DataError, Dataset, Images
from hilander.data.images import as_shown


def png(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), grey).save(buffer, "PNG")
    return buffer.getvalue()


def test_subset_takes_masks_indices_and_slices_of_everything():
    dataset = Dataset(["a", "b", "c"], [0, 0, 1], ["x", "y", "y"], embeddings=np.eye(3))
    assert dataset.subset([2, 0]).ids.tolist() == ["c", "a"]
    assert dataset.subset(np.array([True, False, True])).labels.tolist() == ["0", "1"]
    assert dataset.subset(slice(1, 3)).embeddings.base is not None
    assert len(dataset.subset([])) == 0
    assert dataset.split("y").ids.tolist() == ["b", "c"]


def test_embeddings_become_float32_and_stay_memory_mapped(tmp_path):
    np.save(tmp_path / "e.npy", np.eye(3, dtype=np.float32))
    mapped = np.load(tmp_path / "e.npy", mmap_mode="r")
    assert isinstance(Dataset(["a", "b", "c"], embeddings=mapped).embeddings, np.memmap)
    assert Dataset(["a"], embeddings=[[1, 2]]).embeddings.dtype == np.float32


def test_missing_labels_become_empty_strings_and_are_no_class():
    dataset = Dataset(["a", "b", "c"], [3.0, None, float("nan")], embeddings=np.eye(3))
    assert dataset.labels.tolist() == ["3", "", ""]
    assert dataset.classes.tolist() == ["3"]
    dataset = Dataset(["a", "b"], ["x", float("nan")], embeddings=np.eye(2))
    assert dataset.labels.tolist() == ["x", ""]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ["x"], "embeddings": np.eye(2)}, r"labels must have shape \(2,\)"),
        ({"splits": ["x"] * 3, "embeddings": np.eye(2)}, r"splits must have shape \(2,\)"),
        ({"embeddings": np.eye(3)}, "expected 2 embeddings"),
        ({"embeddings": np.ones(2)}, r"shape \(n, d\)"),
        ({"embeddings": np.array([["a"], ["b"]])}, "real numbers"),
        ({"images": Images([b"x"], np.array(["a"]))}, "expected 2 images"),
        ({}, "exactly one"),
    ],
)
def test_wrong_fields_are_refused_with_a_reason(fields, message):
    with pytest.raises(DataError, match=message):
        Dataset(["a", "b"], **fields)


def test_a_mask_of_another_length_or_an_unknown_split_is_refused():
    dataset = Dataset(["a", "b"], splits=["x", "y"], embeddings=np.eye(2))
    with pytest.raises(DataError, match="one value per item, 2; got 3"):
        dataset.subset(np.array([True, False, True]))
    with pytest.raises(DataError, match="'z'; the data name: x, y"):
        dataset.split("z")


def test_images_are_decoded_on_request_and_follow_a_subset(tmp_path):
    (tmp_path / "b.png").write_bytes(png(200))
    images = Images([png(100), tmp_path / "b.png"], np.array(["a", "b"]))
    dataset = Dataset(["a", "b"], images=images).subset([1])
    assert dataset.images[0].getpixel((0, 0)) == 200
    assert dataset.images.read_bytes(0) == png(200)


@pytest.mark.parametrize("content", [png(100)[:40], b"", b"no image at all"])
def test_a_damaged_image_is_named(content):
    images = Images([png(1), content], np.array(["good", "bad"]))
    with pytest.raises(DataError, match="image bad is damaged"):
        images[1]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="image gone cannot be read"):
        Images([tmp_path / "gone.png"], np.array(["gone"]))[0]


def test_a_label_that_pandas_calls_missing_is_missing():
    any_length = np.array(["a", None], np.dtypes.StringDType(na_object=None))
    integers = pd.array([3, pd.NA], dtype="Int64")
    for labels in (pd.array(["a", pd.NA], dtype="string"), integers, [b"a", pd.NaT], any_length):
        assert Dataset(["x", "y"], labels, embeddings=np.eye(2)).labels.tolist() in (["a", ""], ["3", ""])


def test_rows_beyond_the_range_of_float32_keep_their_direction():
    rows = np.array([[3e200, 4e200], [3e-200, -4e-200], [0.25, 0.5], [np.nan, 1e200], [np.inf, 1.0], [0.0, 0.0]])
    embeddings = Dataset(np.arange(6), embeddings=rows).embeddings
    np.testing.assert_allclose(embeddings[:2], [[0.75, 1], [0.75, -1]])
    assert embeddings[2].tolist() == [0.25, 0.5]  # what float32 holds stays as it came
    assert np.isfinite(embeddings).all(axis=1).tolist() == [True, True, True, False, False, True]
    assert not embeddings[5].any()
    assert rows[0, 0] == 3e200


def test_an_image_is_shown_turned_as_its_exif_orientation_says():
    image = Image.new("L", (8, 4), 0)
    image.paste(255, (0, 0, 4, 4))  # light on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    shown = as_shown(Images([buffer.getvalue()], np.array(["a"]))[0])
    assert shown.size == (4, 8)
    assert shown.getpixel((2, 1)) > 200  # now at the top
    assert shown.getpixel((2, 6)) < 50
