"""What every encoder makes of its images, batch by batch."""

import io
import weakref

import numpy as np
import pytest
from PIL import Image

from hilander.data import DataError, Images
from hilander.encoder.base import Encoder
from hilander.encoder.images import prepare_images, show_colors


class Brightness(Encoder):
    """Embeds an image as its brightness and the square of it, which is zero of a black one; counts its batches."""

    embedding_size = 2
    n_batches = 0

    def _encode_batch(self, images):
        self.n_batches += 1
        grey = np.array([np.asarray(image, dtype=np.float32).mean() for image in images])
        return np.stack([grey, np.where(grey == 9, np.nan, grey**2)], axis=1)

    def _settings(self):
        return {}

    def _write_weights(self, folder):
        pass


def encoded(value):
    content = io.BytesIO()
    Image.new("L", (4, 4), value).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize("value", [0, 9])  # of a zero vector, and of NaN
def test_an_image_that_no_embedding_is_made_of_is_named_before_the_others_are_encoded(value):
    values = [100, 200, 100, value, 50, 60, 70, 80]
    images = Images([encoded(each) for each in values], np.array([f"photos/{i}.png" for i in range(len(values))]))
    encoder = Brightness()
    with pytest.raises(ValueError, match=r"zero vector.*replace them or leave them out: photos/3\.png$"):
        encoder.encode(images, batch_size=2)
    assert encoder.n_batches == 2
    with pytest.raises(ValueError, match=r"leave them out: 1$"):  # pictures without names: by their number
        encoder.encode([images[0], images[3]])
    assert encoder.encode(images.take(np.array([0, 1]))).shape == (2, 2)


def test_all_images_that_cannot_be_read_are_named_at_once():
    contents = [encoded(100 + i) for i in range(12)]
    contents[4], contents[7], contents[11] = contents[4][:40], b"no image", b""
    images, encoder = Images(contents, np.array([f"photos/{i}.png" for i in range(12)])), Brightness()
    with pytest.raises(DataError, match=r"^3 images cannot be read.*: photos/4\.png, photos/7\.png, photos/11\.png$"):
        encoder.encode(images, batch_size=2)
    assert encoder.n_batches == 2  # those after the first one are looked at, and not encoded
    with pytest.raises(DataError, match=r"image photos/4\.png is damaged or cut short \(40 bytes"):
        encoder.encode(images.take(slice(0, 7)), batch_size=2)


@pytest.mark.parametrize(
    ("odd", "error", "told"),
    [
        ("photos/2.png", TypeError, r"expected Pillow images, got str as image 2; open a file with PIL\.Image\.open"),
        (np.zeros((4, 4), np.uint8), TypeError, r"got ndarray as image 2; .* an array with PIL\.Image\.fromarray"),
        (Image.new("RGB", (0, 4)), ValueError, r"image 2 has no pixels, its size is \(0, 4\); leave it out"),
        (Image.new("F", (4, 4)), ValueError, "image 2: floating-point pixels are not supported"),
    ],
    ids=["path", "array", "empty", "floats"],
)
def test_what_is_no_image_is_told_by_its_number(odd, error, told):
    images = [Image.new("L", (4, 4), 100), Image.new("L", (4, 4), 200), odd]
    with pytest.raises(error, match=told):
        Brightness().encode(images, batch_size=1)
    with pytest.raises(error, match=told):
        prepare_images(images, 16)
    with pytest.raises(error, match=told):
        show_colors(images)


class Photographs:
    """Pictures of 16 megapixels that nobody else holds; counts how many of them are in memory at once."""

    def __init__(self, n):
        self.n, self.living, self.most = n, 0, 0

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        photograph = Image.new("L", (4096, 4096), i + 10)
        self.living += 1
        self.most = max(self.most, self.living)
        weakref.finalize(photograph, self.let_go)
        return photograph

    def let_go(self):
        self.living -= 1


def test_of_a_batch_of_photographs_few_are_decoded_at_once():
    photographs = Photographs(20)
    encoder = Brightness()
    embeddings = encoder.encode(photographs, batch_size=18)
    assert encoder.n_batches == 4  # of 8, 8 and 2 images, and of the next batch's 2
    assert photographs.most == 8
    brightness = np.arange(10, 30)
    np.testing.assert_allclose(embeddings[:, 1] / embeddings[:, 0], brightness, rtol=1e-5)
