"""Step ``embed``: what was fetched, images or embeddings, to L2-normalised embeddings of the model in service."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.atomic_write import atomic_folder, save_array
from hilander.batch.working_folder import EMBEDDED, EMBEDDINGS, ITEMS, write_facts
from hilander.data.dataset import row_ids
from hilander.data.errors import DataError, some
from hilander.data.read import read_dataset
from hilander.embeddings import check_embeddings
from hilander.encoder.encoder_folder import read_encoder_folder
from hilander.releases import Release

BATCH_SIZE = 256


def embed(
    data: str | Path,
    release: Release,
    working: str | Path,
    *,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    dask_scheduler: str | None = None,
    show_progress: bool = False,
) -> Path:
    """Write embeddings and ids of all items to ``working/embedded``, whole or not at all.

    Parameters
    ----------
    data : str or Path
        Images or embeddings in any format that `hilander.data.read_dataset` reads; labels and splits are ignored.
    release : Release
        Images go through its encoder; embeddings that are brought must have its encoder's width.
    working : str or Path
        Folder of this run's intermediate results.
    batch_size : int
        Images encoded at once.
    device : str
        Where the encoder runs when no scheduler is given.
    dask_scheduler : str, optional
        Address of a Dask scheduler, whose workers encode the images.
    show_progress : bool
        Draw a progress bar.

    Raises
    ------
    DataError
        Nothing readable, damaged images, all of which are named, or ids that occur twice.
    ValueError
        No item, another width than the encoder's, NaN, inf or zero rows.
    """
    started = time.perf_counter()
    dataset = read_dataset(data)
    _check_unique(dataset.ids)
    width = read_encoder_folder(release.folder / "encoder")["embedding_size"]
    if dataset.images is None:
        embeddings = check_embeddings(_given(dataset.embeddings), n_features=width)
    elif dask_scheduler is None:
        embeddings = release.encoder(device).encode(dataset.images, batch_size, show_progress)
    else:
        from hilander.batch.dask_clustering import encode_on_workers

        embeddings = encode_on_workers(dask_scheduler, dataset.images, dataset.ids, release, batch_size, show_progress)
    with atomic_folder(Path(working) / EMBEDDED) as folder:
        save_array(folder / EMBEDDINGS, embeddings)
        pd.DataFrame({"id": dataset.ids}).to_parquet(folder / ITEMS, index=False)
        write_facts(
            folder,
            encoder=None if dataset.images is None else encoder_digest(release),
            named_by_row=bool(np.array_equal(dataset.ids, row_ids(len(dataset)))),
            seconds=time.perf_counter() - started,
        )
    return Path(working) / EMBEDDED


def encoder_digest(release: Release) -> str:
    """Return what tells a release's encoder from others: its config holds the digests of its weights."""
    return hashlib.sha256((release.folder / "encoder" / "config.json").read_bytes()).hexdigest()[:16]


def _given(embeddings: NDArray[np.float32] | None) -> NDArray[np.float32]:
    assert embeddings is not None  # a dataset holds either images or embeddings
    return embeddings


def _check_unique(ids: NDArray[np.str_]) -> None:
    names, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"ids must be unique, since clusters are told apart by their items; these occur twice or more: "
            f"{some(names[counts > 1])}"
        )
