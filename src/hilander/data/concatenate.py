"""Put the parts of a dataset that came in one file per split together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hilander.data.dataset import Dataset
from hilander.data.errors import DataError, some


def concatenate(parts: Mapping[str, Dataset]) -> Dataset:
    """Return the embeddings of all `parts` as one dataset, the name of each part being its split.

    Ids become ``<part>/<id>``, so that they stay unique. Labels that are numbers become ``<part>/<label>`` too, since
    such files count their classes from zero each; names stay, so that a class in two parts is found out.

    Raises
    ------
    DataError
        Widths differ, or some parts have labels and others none.
    """
    embeddings = [part.embeddings for part in parts.values() if part.embeddings is not None]
    widths = {name: part.embeddings.shape[1] for name, part in parts.items() if part.embeddings is not None}
    if len(set(widths.values())) > 1:
        raise DataError(f"embeddings must have one width; got {some(f'{n}: {width}' for n, width in widths.items())}")
    labels = [part.labels for part in parts.values() if part.labels is not None]
    if labels and len(labels) < len(parts):
        bare = [name for name, part in parts.items() if part.labels is None]
        raise DataError(f"either every part has labels or none has; none came with {some(bare)}")
    if labels and all((np.char.isdecimal(np.char.lstrip(part, "-")) | (part == "")).all() for part in labels):
        labels = [
            np.where(part == "", "", np.char.add(f"{name}/", part)) for name, part in zip(parts, labels, strict=True)
        ]
    return Dataset(
        ids=np.concatenate([[f"{name}/{i}" for i in part.ids] for name, part in parts.items()]),
        labels=np.concatenate(labels) if labels else None,
        splits=np.repeat(list(parts), [len(part) for part in parts.values()]),
        embeddings=np.concatenate(embeddings),
    )
