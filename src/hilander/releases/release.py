"""One trained model with all that serving it takes, as a folder whose files are checked by their digests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.atomic_write import save_array
from hilander.embeddings import check_embeddings
from hilander.model_folder import digest_of

if TYPE_CHECKING:  # a release is published, and its figures are read, without PyTorch
    from hilander.encoder import Encoder
    from hilander.estimator import HiLander

FORMAT = "hilander-release/1"
VERSIONS, MANIFEST = "versions", "release.json"


class ReleaseError(ValueError):
    """A release is incomplete or altered; the message names the file and the remedy."""


@dataclass(frozen=True)
class Items:
    """Embeddings with what is known of them.

    Attributes
    ----------
    embeddings : ndarray of shape (n, d), float32
        L2-normalised.
    table : DataFrame of n rows
        ``id`` and ``label`` of the training items; ``id``, ``cluster`` and ``probability`` of a catalogue.
    """

    embeddings: NDArray[np.float32]
    table: pd.DataFrame


@dataclass(frozen=True)
class Release:
    """One trained model with all that serving it takes.

    Attributes
    ----------
    folder : Path
        ``lander/`` and ``encoder/`` (model folders), ``reference/`` (the training items), ``catalogue/`` (the evaluated
        items and their clusters, which later items are assigned to and drift is measured against).
    version : str
        When it was made, and a digest of what is in it: ``20261122T203015-3f9a1c2b``.
    metrics : dict
        Of the method in service on classes never seen: ``f_pairwise``, ``f_bcubed``, …
    provenance : dict
        Where it came from: commit, parameters, digest of the data.
    files : dict
        SHA-256 of every file, by its path.
    """

    folder: Path
    version: str
    metrics: dict[str, float]
    provenance: dict[str, Any]
    files: dict[str, str]

    @classmethod
    def load(cls, folder: str | Path) -> Release:
        """Open a release, checking the digest of every file.

        Raises
        ------
        FileNotFoundError
            No release there.
        ReleaseError
            A file is missing or altered.
        """
        folder = Path(folder).resolve()  # a link to the version in service may move on while this one is read
        path = folder / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(
                f"expected a release in {folder}, found no {MANIFEST}; `python flows/train.py` makes one"
            )
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            release = cls(folder, *(manifest[key] for key in ("version", "metrics", "provenance", "files")))
            digests = release.files.items()
            known = manifest["format"] == FORMAT
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReleaseError(f"{path} was altered or damaged ({error}); publish the release again") from error
        if not known:
            raise ReleaseError(f"{path} must be of format {FORMAT!r}; got {manifest['format']!r}")
        for name, digest in digests:
            if not (folder / name).is_file() or digest_of(folder / name) != digest:
                raise ReleaseError(f"{folder / name} is missing or was altered; publish the release again")
        return release

    def clusterer(self, device: str = "auto", **parameters: Any) -> HiLander:
        """Return an unfitted estimator with the model."""
        from hilander.estimator import HiLander

        return HiLander.load(self.folder / "lander", device=device, **parameters)

    def encoder(self, device: str = "auto") -> Encoder:
        """Return the encoder that turns images into embeddings."""
        from hilander.encoder import load_encoder

        return load_encoder(self.folder / "encoder", device)

    def reference(self) -> Items:
        """Return the training embeddings, with ``id`` and ``label``."""
        return _read_items(self.folder / "reference")

    def catalogue(self) -> Items:
        """Return the clustered items, with ``id``, ``cluster`` and ``probability``."""
        return _read_items(self.folder / "catalogue")


def versions_of_same_encoder(models: str | Path, release: Release) -> list[str]:
    """Return the versions in `models` whose encoder is that of `release`, so that their embeddings can be compared."""
    found = []
    for path in (Path(models) / VERSIONS).glob(f"*/{MANIFEST}"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # one that was altered
            manifest = json.loads(path.read_text(encoding="utf-8"))
            if _of_encoder(manifest["files"]) == _of_encoder(release.files):
                found.append(str(manifest["version"]))
    return sorted({*found, release.version})


def _of_encoder(files: Mapping[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name.startswith("encoder/")}


def write_items(folder: Path, items: Items) -> None:
    """Write items into a folder of their own."""
    folder.mkdir()
    save_array(folder / "embeddings.npy", items.embeddings)
    items.table.to_parquet(folder / "items.parquet", index=False)


def _read_items(folder: Path) -> Items:
    embeddings = np.load(folder / "embeddings.npy", allow_pickle=False)
    return Items(check_embeddings(embeddings), pd.read_parquet(folder / "items.parquet"))
