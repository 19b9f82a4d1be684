"""Image folders: ``<split>/<class>/<image>``, ``<class>/<image>``, or unlabelled images side by side."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from hilander.data.dataset import Dataset
from hilander.data.errors import DataError, some
from hilander.data.images import Images

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})


def list_images(folder: Path) -> list[Path]:
    """Return the images at any depth below `folder`, relative to it and sorted; hidden ones are left out."""
    found = []
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = Path(root).relative_to(folder)
        found += [here / f for f in files if Path(f).suffix.lower() in SUFFIXES and not f.startswith(".")]
    return sorted(found)


def read_image_folder(folder: str | Path) -> Dataset:
    """Read a folder of images; the id of an image is its path below `folder`.

    Raises
    ------
    DataError
        There is no image, or the images lie at several depths.
    """
    folder = Path(folder)
    paths = list_images(folder)
    if not paths:
        raise DataError(f"expected images ({', '.join(sorted(SUFFIXES))}) below {folder}, found none")
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
