"""Images from a body: one, several as files of a form, or a zip; every one is checked before it is decoded."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from threading import Event
from typing import Any

from PIL import Image

from hilander.data.images import check_mode
from hilander.serving.bodies import File, media_type_of, read_form
from hilander.serving.configuration import Limits
from hilander.serving.embeddings_body import FORM_TYPE
from hilander.serving.pairs_body import PAIRS
from hilander.serving.refusals import Refusal, invalid, too_large, wrong_type

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF")
ZIP_TYPES = frozenset({"application/zip", "application/x-zip-compressed"})
_PATH_PARTS = re.compile(r"[\\/]")
_ABSOLUTE = re.compile(r"[\\/]|[A-Za-z]:")
_MOST_NAME = 200  # characters
_GAP = rb"\s+(?:#[^\r\n]*[\r\n]\s*)*"
_SIZE = _GAP + rb"\d{1,10}" + _GAP + rb"\d{1,10}"
_QUICK_NETPBM = re.compile(  # Pillow reads the others, and long heads, in Python: hours where there are many comments
    rb"P4%b\s|P5%b%b(?:255|65535)\s|P6%b%b255\s" % (_SIZE, _SIZE, _GAP, _SIZE, _GAP)
)
_MOST_NETPBM_HEAD = 1_000  # bytes
_ENTRY_START = b"PK\x01\x02"
_ENTRIES_PER_IMAGE, _ENTRIES_BESIDE = 3, 1_000  # folders, and what macOS puts beside every file
_DAMAGED = (  # what zipfile and zlib raise over archives that are cut short, altered, or made to mislead
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
)


class LimitedImages:
    """Images that are decoded on access, each within the limit of pixels.

    Parameters
    ----------
    files : sequence of File
    max_pixels : int
    left : Event, optional
        Set once nobody waits for what is made of them.
    """

    def __init__(self, files: Sequence[File], max_pixels: int, left: Event | None = None) -> None:
        self._files, self._max_pixels, self._left = files, max_pixels, left
        self.names = [file.name for file in files]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, i: int) -> Image.Image:
        """Decode image `i`.

        Raises
        ------
        Refusal
            It is no image, is cut short, has too many pixels, or colours that cannot be read; or nobody waits for it.
        """
        if self._left is not None and self._left.is_set():
            raise Refusal(400, "whoever sent the images waits no longer")
        image = self._open(i)
        try:
            image.load()
        except Exception as error:
            raise invalid(f"image {self.names[i]!r} is damaged or cut short; replace it or leave it out") from error
        return image

    def check(self) -> None:
        """Refuse, without decoding any, where one is no image, or has too many pixels or unknown colours."""
        for i in range(len(self)):
            self._open(i).close()

    def _open(self, i: int) -> Image.Image:
        file = self._files[i]
        is_netpbm = _QUICK_NETPBM.match(file.content[:_MOST_NETPBM_HEAD])
        try:
            image = Image.open(io.BytesIO(file.content), formats=("PPM",) if is_netpbm else FORMATS)
        except Image.DecompressionBombError:
            raise self._too_many_pixels(file) from None
        except Exception as error:  # decoders of hostile files fail in any way
            raise invalid(
                f"file {file.name!r} is no image of {', '.join(FORMATS)}, nor binary PBM, PGM or PPM of 8 bits or grey "
                "of 16; save it as one of them, or leave it out"
            ) from error
        if image.width * image.height > self._max_pixels:
            raise self._too_many_pixels(file)
        try:
            check_mode(image)
        except ValueError as error:
            raise invalid(f"image {file.name!r}: {error}") from error
        return image

    def _too_many_pixels(self, file: File) -> Exception:
        return too_large(f"image {file.name!r} may have at most {self._max_pixels:,} pixels; send it smaller")


def read_images(body: bytearray, content_type: str, limits: Limits) -> tuple[list[File], dict[str, Any]]:
    """Read encoded images, not yet decoded, with distinct names.

    Returns
    -------
    files : list of File
    options : dict
        What stood beside them in the form.

    Raises
    ------
    Refusal
        Anything else came, too many, or a hostile zip.
    """
    media_type = media_type_of(content_type)
    options: dict[str, Any] = {}
    if not body:
        raise invalid("the body is empty; send image files, or a zip of them")
    if media_type == FORM_TYPE:
        form = read_form(body, content_type, most_files=limits.max_images + len(PAIRS))
        options = form.options(PAIRS)
        files = [file for name, file in form.files if name not in PAIRS]
        room = _Room(limits)
        files = [inner for file in files for inner in (_unzip(file.content, room) if _is_zip(file) else [file])]
    elif media_type in ZIP_TYPES:
        files = _unzip(bytes(body), _Room(limits))
    elif media_type.startswith("image/"):
        files = [File("image", bytes(body))]
    else:
        raise wrong_type(
            f"the Content-Type must be multipart/form-data, application/zip or image/*; got {media_type[:80]!r}"
        )
    if not files:
        raise invalid("expected at least one image, got none; send image files, or a zip of them")
    if len(files) > limits.max_images:
        raise _too_many_images(len(files), limits)
    return [File(name, file.content) for name, file in zip(_distinct_names(files), files, strict=True)], options


def _is_zip(file: File) -> bool:
    return file.content.startswith(b"PK\x03\x04")


class _Room:
    """How much all zips of one request may still unpack to."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.n_bytes, self.n_images = limits.max_bytes, 0
        self.n_entries = _ENTRIES_PER_IMAGE * limits.max_images + _ENTRIES_BESIDE

    def take_images(self, n_images: int) -> None:
        self.n_images += n_images
        if self.n_images > self._limits.max_images:
            raise _too_many_images(self.n_images, self._limits)

    def take_entries(self, n_entries: int) -> None:
        self.n_entries -= n_entries
        if self.n_entries < 0:
            raise too_large(
                f"zips may hold at most {self._limits.max_images:,} images, got {n_entries:,} entries in one; send "
                "them in parts"
            )

    def take_bytes(self, n_bytes: int) -> None:
        self.n_bytes -= n_bytes
        if self.n_bytes < 0:
            raise too_large(f"zips may unpack to at most {self._limits.max_bytes:,} bytes; send them in parts")


def _unzip(content: bytes, room: _Room) -> list[File]:
    """Unpack in memory; nothing is written anywhere, and names are nothing but ids."""
    files = []
    room.take_entries(content.count(_ENTRY_START))  # a list of millions takes minutes and gigabytes to read
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not (entry.is_dir() or _is_litter(entry.filename))]
            room.take_images(len(entries))
            for entry in entries:
                _check_entry(entry)
                with archive.open(entry) as unpacking:  # what it says of its size is not believed
                    unpacked = unpacking.read(room.n_bytes + 1)
                room.take_bytes(len(unpacked))
                files.append(File(entry.filename, unpacked))
    except _DAMAGED as error:
        raise invalid("the zip is damaged or of an unknown kind; pack it anew with ordinary deflate") from error
    return files


def _is_litter(name: str) -> bool:
    """Tell whether macOS put a file into the zip beside those that were asked for."""
    parts = _PATH_PARTS.split(name)
    return "__MACOSX" in parts or parts[-1] == ".DS_Store"


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if _ABSOLUTE.match(name) or ".." in _PATH_PARTS.split(name) or "\0" in name:
        raise invalid(f"the zip holds the name {name[:_MOST_NAME]!r}, which leads out of its folder; pack it anew")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise invalid(f"the zip holds the link {name[:_MOST_NAME]!r}; pack the files themselves")
    if entry.flag_bits & 0x1:
        raise invalid(f"the zip's entry {name[:_MOST_NAME]!r} is encrypted; pack it without a password")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise invalid(f"the zip's entry {name[:_MOST_NAME]!r} is not deflated; pack it anew with ordinary deflate")


def _distinct_names(files: Sequence[File]) -> list[str]:
    """Names as they came, with ``#2``, ``#3`` … behind those that came before."""
    counts: dict[str, int] = {}
    for file in files:
        name = file.name[:_MOST_NAME] or "image"
        distinct = name
        while distinct in counts:  # a file may itself be called so
            counts[name] += 1
            distinct = f"{name}#{counts[name]}"
        counts[distinct] = 1
    return list(counts)


def _too_many_images(n_images: int, limits: Limits) -> Exception:
    return too_large(f"at most {limits.max_images:,} images may come at once, got {n_images:,}; send them in parts")
