"""Image folders: ``<split>/<class>/<image>``, ``<class>/<image>``, or unlabelled images side by side."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hilander.data.dataset import Dataset
from hilander.data.errors import DataError, some
from hilander.data.images import Images
from hilander.data.listing import list_files

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".webp", ".avif", ".tif", ".tiff", ".pgm", ".ppm"}
)
UNREAD = frozenset({".heic", ".heif", ".jxl", ".jp2", ".svg", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw"})

logger = logging.getLogger(__name__)


def read_image_folder(folder: str | Path) -> Dataset:
    """Read a folder of images; the id of an image is its path below `folder`.

    Pictures of kinds that are not read, such as HEIC, are left out with a warning that counts them.

    Raises
    ------
    DataError
        There is no image, or the images lie at several depths, or a path is not UTF-8.
    """
    folder = Path(folder)
    pictures = list_files(folder, SUFFIXES | UNREAD, deep=True)
    paths = [path for path in pictures if path.suffix.lower() in SUFFIXES]
    unread = _count(path.suffix.lower() for path in pictures if path.suffix.lower() in UNREAD)
    if not paths:
        found = f"{unread} alone; convert these, to PNG for instance" if unread else "none"
        raise DataError(f"expected images ({', '.join(sorted(SUFFIXES))}) below {folder}, found {found}")
    if unread:
        logger.warning("%s: left out %s, which are not read; to have them too, convert them to PNG", folder, unread)
    depths = {len(path.parts): path for path in paths}
    if len(depths) > 1 or max(depths) > 3:
        raise DataError(
            f"images must lie at one depth below {folder}: <split>/<class>/<image>, <class>/<image> or <image>; "
            f"got {some(path.as_posix() for path in depths.values())}"
        )
    depth = max(depths)
    ids = np.array([path.as_posix() for path in paths])
    return Dataset(
        ids=ids,
        labels=np.array([path.parts[-2] for path in paths]) if depth >= 2 else None,
        splits=np.array([path.parts[0] for path in paths]) if depth == 3 else None,
        images=Images([folder / path for path in paths], ids),
    )


def _count(suffixes: Iterable[str]) -> str:
    """Write how many of each there are, most first; empty if there are none."""
    return ", ".join(f"{number:,} {suffix}" for suffix, number in Counter(suffixes).most_common())
