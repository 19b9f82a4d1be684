"""A trained model becomes a release, and is put into service."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hilander.held_folder import held_folder
from hilander.model_folder import digest_of
from hilander.releases.in_service import (
    WITHDRAWN,
    move_into_service,
    note_where_it_points,
    one_at_a_time,
    release_in_service,
    withdrawn,
)
from hilander.releases.release import FORMAT, MANIFEST, VERSIONS, Items, Release, ReleaseError, write_items

logger = logging.getLogger(__name__)


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
        write_items(folder / "reference", reference)
        write_items(folder / "catalogue", catalogue)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests = {path.relative_to(folder).as_posix(): digest_of(path) for path in files}
        content = hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:8]
        with one_at_a_time(models):
            note_where_it_points(models)
            with contextlib.suppress(FileNotFoundError, ReleaseError):  # none yet, or damaged: this one takes its place
                now = release_in_service(models)
                if now.files == digests:
                    return now
                if out := [version for version in withdrawn(models) if version.rpartition("-")[2] == content]:
                    say(
                        f"this model is version {out[-1]}, which was taken out of service: {now.version} stays, until "
                        f"another model comes, or {out[-1]} is put into service by name or struck from "
                        f"{models / WITHDRAWN}"
                    )
                    return now
            version = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{content}"
            manifest = {"format": FORMAT, "version": version, "metrics": dict(metrics), "provenance": dict(provenance)}
            text = json.dumps(manifest | {"files": digests}, indent=2)
            (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
            (models / VERSIONS).mkdir(exist_ok=True)
            if not (models / VERSIONS / version).exists():  # the same files within a second
                folder.replace(models / VERSIONS / version)
            move_into_service(models, version)
            return release_in_service(models)
