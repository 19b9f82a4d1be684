"""One row of facts per item, and one per split: what validation judges."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from hilander.data.dataset import Dataset
from hilander.data.errors import DataError
from hilander.data.images import as_shown

NEAR_EMPTY_INK = 0.005  # an image with less than this share of pixels apart from its ground shows next to nothing
_APART = 32  # levels of 256 between ground and ink
_ROWS_PER_CHUNK = 65_536


def item_table(dataset: Dataset, show_progress: bool = False) -> pd.DataFrame:
    """Look at every item once.

    Returns
    -------
    DataFrame with n rows
        `id`, `label` (None where missing), `split`; for images `readable` and `near_empty`, for embeddings `finite` and
        `norm`; `duplicate`: the same content came in an earlier row; `splits_with_content` and `splits_with_label`: in
        how many splits this row's content and class occur.
    """
    if dataset.splits is None:
        raise DataError("expected a split for each item; make them with hilander.data.with_splits first")
    labels = np.full(len(dataset), "") if dataset.labels is None else dataset.labels
    table = pd.DataFrame({"id": dataset.ids, "label": labels, "split": dataset.splits})
    table["label"] = table["label"].astype(object).where(labels != "", None)
    facts = _image_facts(dataset, show_progress) if dataset.embeddings is None else _embedding_facts(dataset)
    table = pd.concat([table, facts.drop(columns="content")], axis=1)
    table["duplicate"] = facts["content"].duplicated()
    table["splits_with_content"] = table["split"].groupby(facts["content"]).transform("nunique")
    table["splits_with_label"] = table.groupby("label", dropna=False)["split"].transform("nunique")
    table.loc[labels == "", "splits_with_label"] = 1  # a missing label is no class
    return table


def split_table(items: pd.DataFrame) -> pd.DataFrame:
    """Count items and classes of each split: columns `split`, `n_items`, `n_classes`, `items_per_class` (mean)."""
    counts = items.groupby("split").agg(n_items=("id", "size"), n_classes=("label", "nunique")).reset_index()
    return counts.assign(items_per_class=counts["n_items"] / counts["n_classes"].clip(lower=1))


def is_near_empty(image: Image.Image) -> bool:
    """Tell whether next to no pixel stands out in any channel from the ground, the median over all of them."""
    shown = as_shown(image)
    pixels = np.atleast_3d(np.asarray(shown.convert("L" if shown.mode in ("1", "L") else "RGB")).astype(np.int16))
    apart = np.abs(pixels - np.median(pixels, axis=(0, 1)).astype(np.int16)).max(axis=2)
    return bool((apart > _APART).mean() < NEAR_EMPTY_INK)


def _image_facts(dataset: Dataset, show_progress: bool) -> pd.DataFrame:
    images = dataset.images
    assert images is not None
    rows = []
    for i in tqdm(range(len(dataset)), desc="looking at images", disable=not show_progress):
        try:
            image = as_shown(images[i])
            pixels = image.convert("RGB")  # the same picture in another file format is the same content
            content = hashlib.blake2b(pixels.tobytes() + repr(pixels.size).encode(), digest_size=16).hexdigest()
            rows.append((True, is_near_empty(image), content))
        except DataError:
            rows.append((False, False, f"unreadable {i}"))
    return pd.DataFrame(rows, columns=["readable", "near_empty", "content"])


def _embedding_facts(dataset: Dataset) -> pd.DataFrame:
    embeddings = dataset.embeddings
    assert embeddings is not None
    chunks = []
    for start in range(0, len(embeddings), _ROWS_PER_CHUNK):
        rows: NDArray[np.float32] = np.ascontiguousarray(embeddings[start : start + _ROWS_PER_CHUNK])
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        norm = np.linalg.norm(np.where(finite[:, None], rows, 0).astype(np.float64), axis=1)
        content = [hashlib.blake2b(row, digest_size=16).hexdigest() for row in rows]
        chunks.append(pd.DataFrame({"finite": finite, "norm": np.where(finite, norm, np.nan), "content": content}))
    return pd.concat(chunks, ignore_index=True)
