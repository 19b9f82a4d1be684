"""Image folders: ``<split>/<class>/<image>``, ``<class>/<image>``, or unlabelled images side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hilander.data.dataset import Dataset
from hilander.data.errors import DataError, some
from hilander.data.images import Images
from hilander.data.listing import list_files

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})


def read_image_folder(folder: str | Path) -> Dataset:
    """Read a folder of images; the id of an image is its path below `folder`.

    Raises
    ------
    DataError
        There is no image, or the images lie at several depths, or a path is not UTF-8.
    """
    folder = Path(folder)
    paths = list_files(folder, SUFFIXES, deep=True)
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
