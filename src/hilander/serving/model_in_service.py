"""The release that answers requests, exchanged for the next one while requests go on."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilander.releases import IN_SERVICE, Release, release_in_service
from hilander.releases.release import MANIFEST
from hilander.serving.pairs_body import PAIRS
from hilander.serving.refusals import Refusal, without_folders

if TYPE_CHECKING:
    from hilander.assign import Assignment
    from hilander.encoder import Encoder
    from hilander.estimator import HiLander

logger = logging.getLogger(__name__)

_N_EXAMPLES = 6
_N_WARMING = 50
_LONGEST_PAUSE = 300.0  # seconds between tries to load a release that fails


@dataclass(frozen=True)
class LoadedRelease:
    """One release, ready to answer; a request keeps the one that it began with.

    Attributes
    ----------
    release : Release
    clusterer : HiLander
        Unfitted, with the model.
    catalogue : HiLander
        Has adopted the catalogue's clusters.
    encoder : Encoder
    examples : ndarray of shape (m, d), float32
        The catalogue's first embeddings.
    """

    release: Release
    clusterer: HiLander
    catalogue: HiLander
    encoder: Encoder
    examples: NDArray[np.float32]

    @classmethod
    def load(cls, models: str | Path) -> LoadedRelease:
        """Load the release in service, whose digests are checked, and answer once with it, so that it is warm."""
        release = release_in_service(models)
        clusterer = release.clusterer()
        items = release.catalogue()
        catalogue = release.clusterer().adopt(items.embeddings, items.table["cluster"].to_numpy())
        loaded = cls(release, clusterer, catalogue, release.encoder(), items.embeddings[:_N_EXAMPLES].copy())
        loaded.assign(items.embeddings[:1])
        loaded.cluster(items.embeddings[:_N_WARMING], {})
        return loaded

    @property
    def version(self) -> str:
        """Version of the release."""
        return self.release.version

    @cached_property
    def n_catalogue_features(self) -> int:
        """Width of the catalogue's embeddings."""
        return int(self.catalogue.n_features_in_)

    def cluster(self, embeddings: NDArray, options: Mapping[str, Any]) -> HiLander:
        """Return a fitted estimator; requests share the model, and nothing else."""
        from hilander.estimator import HiLander  # with PyTorch, which a release that is loaded has brought

        return fit(HiLander(self.clusterer.model), embeddings, options)

    def assign(self, embeddings: NDArray) -> Assignment:
        """Assign embeddings to the catalogue's clusters."""
        return self.catalogue.assign(embeddings)


def fit(clusterer: HiLander, embeddings: NDArray, options: Mapping[str, Any]) -> HiLander:
    """Cluster with the options of a request, which are parameters of the estimator, and pairs of rows."""
    parameters = {name: option for name, option in options.items() if name not in PAIRS}
    pairs = {name: options[name] for name in PAIRS if name in options}
    return clusterer.set_params(**parameters).fit(embeddings, **pairs)


class ModelInService:
    """Follows the link to the release in service, or the copy of a release that lies in its place.

    Parameters
    ----------
    models : str or Path
        Folder of releases.
    reload_seconds : float
        How often it is looked at.
    """

    def __init__(self, models: str | Path, reload_seconds: float) -> None:
        self._models, self._reload_seconds = Path(models), reload_seconds
        self._loaded: LoadedRelease | None = None
        self._seen: tuple[Path, tuple[int, int, int] | None] | None = None
        self.failure: str | None = None
        self._pause, self._retry_at = reload_seconds, 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="release", daemon=True)

    def start(self) -> None:
        """Load the release, and begin to follow the link. Without a release the service waits for one."""
        self._look()
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stopping.set()
        self._thread.join()

    @property
    def is_ready(self) -> bool:
        """Whether there is a release to answer with."""
        return self._loaded is not None

    def current(self) -> LoadedRelease:
        """Return the release to answer with.

        Raises
        ------
        Refusal
            There is none yet (503).
        """
        if self._loaded is None:
            raise Refusal(503, f"no model is in service yet: {self.failure or 'it is being loaded'}")
        return self._loaded

    def _follow(self) -> None:
        while not self._stopping.wait(self._reload_seconds):
            self._look()

    def _look(self) -> None:
        seen = target, manifest = _stamp(self._models / IN_SERVICE)
        if seen != self._seen:
            self._pause, self._retry_at = self._reload_seconds, 0.0
        elif self.failure is None or manifest is None or time.monotonic() < self._retry_at:
            return
        try:
            loaded = LoadedRelease.load(self._models)
            self.failure, self._loaded = None, loaded  # in this order: who sees the new release sees no old failure
            logger.info("release %s is in service", loaded.version)
        except Exception as error:  # whatever is wrong with the new release, the old one goes on
            self.failure = without_folders(error)
            logger.error("the release in %s is not taken into service: %s", target, error)
            self._retry_at = time.monotonic() + self._pause  # the fault may pass, as one of memory or of a disk
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._seen = seen


def _stamp(link: Path) -> tuple[Path, tuple[int, int, int] | None]:
    """Where a link leads, and what tells one manifest there from the next: a copy is replaced under the same name.

    Nothing is raised, whatever stands there or fails: the thread that looks would end, and no release come any more.
    """
    target = Path(os.path.realpath(link))  # `Path.resolve` raises on links that lead to themselves
    try:
        stat = (target / MANIFEST).stat()
    except OSError:
        return target, None
    return target, (stat.st_mtime_ns, stat.st_ino, stat.st_size)
