"""Trained models as they are put into service: numbered folders, one of which is in service."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilander.atomic_write import atomic_file, save_array
from hilander.embeddings import check_embeddings
from hilander.held_folder import held_folder
from hilander.model_folder import digest_of

if TYPE_CHECKING:  # a release is published, and its figures are read, without PyTorch
    from hilander.encoder import Encoder
    from hilander.estimator import HiLander

logger = logging.getLogger(__name__)

FORMAT = "hilander-release/1"
IN_SERVICE, VERSIONS, MANIFEST = "in_service", "versions", "release.json"
WITHDRAWN = "withdrawn.txt"  # versions that were taken out of service by hand, one a line
PUT_LAST = "put_last.txt"  # the version that `in_service` was last seen to point at: a hand may have moved it since


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


def publish_release(
    models: str | Path,
    *,
    lander: str | Path,
    encoder: str | Path,
    reference: Items,
    catalogue: Items,
    metrics: Mapping[str, float],
    provenance: Mapping[str, Any],
    say: Callable[[str], None] = logger.warning,
) -> Release:
    """Copy a trained model into `models` and put it into service, both all or nothing.

    Where the version in service holds the very same files, it stays; so it does where these are the files of a version
    that `put_into_service`, or a hand that moved the link, has replaced by another: it stays out until it is asked for.

    Parameters
    ----------
    models : str or Path
        Folder of all releases.
    lander, encoder : str or Path
        Model folders.
    reference, catalogue : Items
    metrics, provenance : mapping
        See `Release`.
    say : callable
        Gets a sentence where the model stays out.

    Returns
    -------
    Release
        The one in service.
    """
    models = Path(models)
    with held_folder(models, ".incoming-") as temporary:  # removed by the next one where this one is killed
        folder = temporary / "release"
        folder.mkdir()
        shutil.copytree(lander, folder / "lander")
        shutil.copytree(encoder, folder / "encoder")
        _write_items(folder / "reference", reference)
        _write_items(folder / "catalogue", catalogue)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests = {path.relative_to(folder).as_posix(): digest_of(path) for path in files}
        content = hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:8]
        _note_where_it_points(models)
        with contextlib.suppress(FileNotFoundError, ReleaseError):  # none yet, or damaged: this one takes its place
            now = release_in_service(models)
            if now.files == digests:
                return now
            if out := [version for version in _withdrawn(models) if version.rpartition("-")[2] == content]:
                say(
                    f"this model is version {out[-1]}, which was taken out of service: {now.version} stays, until "
                    f"another model comes, or {out[-1]} is put into service by name or struck from {models / WITHDRAWN}"
                )
                return now
        version = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{content}"
        manifest = {"format": FORMAT, "version": version, "metrics": dict(metrics), "provenance": dict(provenance)}
        text = json.dumps(manifest | {"files": digests}, indent=2)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
        (models / VERSIONS).mkdir(exist_ok=True)
        if not (models / VERSIONS / version).exists():  # the same files within a second
            folder.replace(models / VERSIONS / version)
    _move_into_service(models, version)
    return release_in_service(models)


def put_into_service(models: str | Path, version: str) -> None:
    """Point ``in_service`` at a version, at once for every reader; also the way back to an earlier one.

    The version that it replaces stays out: `publish_release` leaves the same model out of service from then on, until
    it is asked for by name here.

    Raises
    ------
    FileNotFoundError
        No such version.
    ReleaseError
        It is incomplete or altered, or ``in_service`` is no link; what is in service stays.
    """
    models = Path(models)
    known = sorted(path.parent.name for path in (models / VERSIONS).glob(f"*/{MANIFEST}"))
    if version not in known:
        raise FileNotFoundError(f"no version {version!r} in {models}; known: {', '.join(known) or 'none'}")
    Release.load(models / VERSIONS / version)  # else its readers would find out, with none in service
    _check_link(models, version)
    _note_where_it_points(models)
    _withdraw(models, _replaced(models), version)  # before the link: what stays out is said, what comes in not
    _move_into_service(models, version)


def _withdrawn(models: Path) -> list[str]:
    path = models / WITHDRAWN
    return path.read_text(encoding="utf-8", errors="replace").split() if path.is_file() else []


def _withdraw(models: Path, replaced: list[str], version: str) -> None:
    """Note that one version has replaced others."""
    before = _withdrawn(models)
    content = version.rpartition("-")[2]  # the same model may have been published more than once
    withdrawn = [other for other in [*before, *replaced] if other.rpartition("-")[2] != content]
    if withdrawn != before:
        _write(models / WITHDRAWN, list(dict.fromkeys(withdrawn)))


def _note_where_it_points(models: Path) -> None:
    """Withdraw the version that was in service before a hand moved the link, as `put_into_service` does."""
    path, link = models / PUT_LAST, models / IN_SERVICE
    if not link.is_symlink():
        return
    last = path.read_text(encoding="utf-8", errors="replace").split() if path.is_file() else []
    now = link.resolve().name
    if last and now not in last:
        with contextlib.suppress(ReleaseError):  # a damaged one is to be made again
            with contextlib.suppress(FileNotFoundError):  # its folder may have been deleted, as of one that failed
                Release.load(models / VERSIONS / last[-1])
            _withdraw(models, [last[-1]], now)
    if last != [now]:
        _write(path, [now])


def _write(path: Path, versions: list[str]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text("".join(f"{version}\n" for version in versions), encoding="utf-8")


def _replaced(models: Path) -> list[str]:
    """The version in service, as a list of one; empty where there is none, or it is to be made again."""
    try:
        release_in_service(models)
    except ReleaseError:
        return []
    except FileNotFoundError:  # its folder may have been deleted, as of one that failed
        pass
    return [(models / IN_SERVICE).resolve().name] if (models / IN_SERVICE).is_symlink() else []


def _check_link(models: Path, version: str) -> None:
    if (models / IN_SERVICE).exists() and not (models / IN_SERVICE).is_symlink():
        raise ReleaseError(
            f"expected {models / IN_SERVICE} to be a link to a version, found a copy of one, as tools make that follow "
            f"links; move it away, then put {version} into service"
        )


def _move_into_service(models: Path, version: str) -> None:
    _check_link(models, version)
    link = models / f".{IN_SERVICE}-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(VERSIONS) / version)
    before = [(models / IN_SERVICE).resolve().name]
    _write(models / PUT_LAST, [*before, version])  # either may be in service where this process ends in between
    link.replace(models / IN_SERVICE)
    with contextlib.suppress(OSError):  # the version is in service
        _write(models / PUT_LAST, [version])


def release_in_service(models: str | Path = "models") -> Release:
    """Return the release in service.

    Raises
    ------
    FileNotFoundError
        None is.
    ReleaseError
        It is incomplete or altered.
    """
    return Release.load(Path(models) / IN_SERVICE)


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


def _write_items(folder: Path, items: Items) -> None:
    folder.mkdir()
    save_array(folder / "embeddings.npy", items.embeddings)
    items.table.to_parquet(folder / "items.parquet", index=False)


def _read_items(folder: Path) -> Items:
    embeddings = np.load(folder / "embeddings.npy", allow_pickle=False)
    return Items(check_embeddings(embeddings), pd.read_parquet(folder / "items.parquet"))
