"""Images that stay encoded (files on disk, or bytes in memory) until one is asked for."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from hilander.data.errors import DataError, some

_ORIENTATION = ExifTags.Base.Orientation
_WHITE_IS_ZERO = 0  # as a TIFF says it
_MOST_NAMED = 100
_NO_WHITE = {"I": "32-bit pixels", "F": "floating-point pixels", "LAB": "CIE L*a*b* colours"}


def check_mode(image: Image.Image) -> None:
    """Raise ValueError where the pixels of an image cannot be told light from dark.

    Nothing says which 32-bit number is white, and Pillow cuts them off at 255.
    """
    if image.mode in _NO_WHITE and not _is_deep_netpbm(image):
        raise ValueError(f"{_NO_WHITE[image.mode]} are not supported; save it in grey or RGB, of 8 or 16 bits")


def as_shown(image: Image.Image) -> Image.Image:
    """Return an image as people see it, in a mode that Pillow converts to grey and to colours without loss of sense.

    Turned as its EXIF orientation says, on white paper where it is transparent, 16 bits scaled to 8, at which Pillow
    would cut them off.

    Raises
    ------
    ValueError
        Nothing says which of its values is light, see `check_mode`.
    """
    check_mode(image)
    image.load()  # a TIFF is turned as it is loaded; turned by others, it would lose what its tags say of its pixels
    with contextlib.suppress(Exception):  # metadata that cannot be read turn nothing
        if image.getexif().get(_ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or _is_deep_netpbm(image):
        return _of_8_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    return image


def _is_deep_netpbm(image: Image.Image) -> bool:
    """Tell whether an image is a PGM of more than 8 bits, which Pillow scales to 16 but holds in 32."""
    return image.mode == "I" and image.format == "PPM"


def _of_8_bits(image: Image.Image) -> Image.Image:
    """Scale a grey image of more bits; what it calls transparent is white."""
    deep = np.asarray(image)
    tags = getattr(image, "tag_v2", {})  # of a TIFF, of whose deep pixels Pillow heeds neither of these
    bits = tags.get(ExifTags.Base.BitsPerSample, (16,))
    grey = (deep >> (4 if bits == (12,) else 8)).astype(np.uint8)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == _WHITE_IS_ZERO:
        grey = 255 - grey
    if (transparent := image.info.get("transparency")) is not None:
        grey[deep == transparent] = 255
    return Image.fromarray(grey)


class Images:
    """A lazy sequence of images.

    Parameters
    ----------
    sources : sequence of Path or bytes, length n
        Where each encoded image (PNG, JPEG, …) is: a file, or its content.
    ids : (n,) str
        What an error calls them.

    Attributes
    ----------
    ids : (n,) str
    """

    def __init__(self, sources: Sequence[Path | bytes] | NDArray[np.object_], ids: NDArray[np.str_]) -> None:
        self._sources = np.empty(len(sources), dtype=object)
        self._sources[:] = sources
        self.ids = np.asarray(ids)
        if len(self.ids) != len(self._sources):
            raise DataError(f"expected one id per image, got {len(self.ids)} ids for {len(self._sources)} images")

    def __len__(self) -> int:
        return len(self._sources)

    def __repr__(self) -> str:
        return f"Images(n={len(self)})"

    def read_bytes(self, i: int) -> bytes:
        """Return the encoded image `i`, as it lies on disk or in the table."""
        source = self._sources[i]
        if isinstance(source, bytes):
            return source
        try:
            return source.read_bytes()
        except OSError as error:
            raise DataError(
                f"image {self.ids[i]} cannot be read: {error}; put the file back or leave it out"
            ) from error

    def __getitem__(self, i: int) -> Image.Image:
        """Decode image `i` whole.

        Raises
        ------
        DataError
            The bytes are no image, end too early, hold more pixels than Pillow opens, or say nothing of light and dark;
            the message names the id.
        """
        content = self.read_bytes(i)
        try:
            image = Image.open(io.BytesIO(content))
            image.load()
        except MemoryError:
            raise
        except Image.DecompressionBombError as error:
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # at half of it Pillow warns
            raise DataError(
                f"image {self.ids[i]} has more pixels than the {most:,} that are read; save it smaller or leave it out"
            ) from error
        except Exception as error:  # decoders of damaged files fail in any way
            cause = "of no known format" if isinstance(error, UnidentifiedImageError) else error
            raise DataError(
                f"image {self.ids[i]} is damaged or cut short ({len(content)} bytes: {cause}); "
                "replace it or leave it out"
            ) from error
        try:
            check_mode(image)
        except ValueError as error:
            raise DataError(f"image {self.ids[i]}: {error}") from error
        return image

    def take(self, rows: NDArray | slice) -> Images:
        """Return the images at `rows`, in that order; nothing is read."""
        return Images(self._sources[rows], self.ids[rows])

    def in_common(self, other: Images) -> NDArray[np.str_]:
        """Return the ids of those that `other` has as well: the same file, or in memory the same bytes."""
        theirs = {_origin(source) for source in other._sources}
        return self.ids[np.array([_origin(source) in theirs for source in self._sources], dtype=bool)]


def _origin(source: Path | bytes) -> Path | bytes:
    return source if isinstance(source, bytes) else source.resolve()


def check_readable(*sets: Images, show_progress: bool = False) -> None:
    """Decode every image, so that all that cannot be read are named at once and not one a run.

    Parameters
    ----------
    *sets : Images
    show_progress : bool
        Draw a progress bar.

    Raises
    ------
    DataError
        What is wrong with the one image that cannot be read, or which ones cannot, up to a hundred.
    """
    faults: dict[str, DataError] = {}
    total = sum(len(images) for images in sets)
    with tqdm(total=total, desc="looking at images", unit="image", disable=not show_progress, leave=False) as progress:
        for images in sets:
            for i in range(len(images)):
                try:
                    images[i]
                except DataError as error:
                    faults[str(images.ids[i])] = error
                progress.update()
    if len(faults) == 1:
        raise faults.popitem()[1]
    if faults:
        raise DataError(
            f"{len(faults):,} images cannot be read, they are damaged, cut short or of a kind that is not supported; "
            f"replace them or leave them out: {some(faults, _MOST_NAMED)}"
        )
