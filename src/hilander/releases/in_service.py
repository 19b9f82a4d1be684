"""Which release is in service: a link, moved in one step, and notes of what was taken out of service by hand."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from hilander.atomic_write import atomic_file
from hilander.releases.release import MANIFEST, VERSIONS, Release, ReleaseError

IN_SERVICE = "in_service"
WITHDRAWN = "withdrawn.txt"  # versions that were taken out of service by hand, one a line
PUT_LAST = "put_last.txt"  # the version that `in_service` was last seen to point at: a hand may have moved it since


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
    with one_at_a_time(models):
        _check_link(models, version)
        note_where_it_points(models)
        link = models / IN_SERVICE
        replaced = [link.resolve().name] if link.is_symlink() and not _is_damaged(link) else []
        _withdraw(models, replaced, version)  # before the link: what stays out is said, what comes in not
        move_into_service(models, version)


@contextlib.contextmanager
def one_at_a_time(models: Path) -> Iterator[None]:
    """Let nobody else change what is in service meanwhile: what another run moves would be taken for a hand's."""
    folder = os.open(models, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some shared file systems have no locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)  # and lets go


def withdrawn(models: Path) -> list[str]:
    """Return the versions that were taken out of service."""
    return _read(models / WITHDRAWN)


def _withdraw(models: Path, replaced: list[str], version: str) -> None:
    """Note that one version has replaced others."""
    before = withdrawn(models)
    content = version.rpartition("-")[2]  # the same model may have been published more than once
    after = [other for other in [*before, *replaced] if other.rpartition("-")[2] != content]
    if after != before:
        _write(models / WITHDRAWN, list(dict.fromkeys(after)))


def note_where_it_points(models: Path) -> None:
    """Withdraw the version that was in service before a hand moved the link, as `put_into_service` does."""
    path, link = models / PUT_LAST, models / IN_SERVICE
    if not link.is_symlink():
        return
    last, now = _read(path), link.resolve().name
    if last and now not in last and not _is_damaged(models / VERSIONS / last[-1]):
        _withdraw(models, [last[-1]], now)
    if last != [now]:
        _write(path, [now])


def _read(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").split() if path.is_file() else []


def _write(path: Path, versions: list[str]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text("".join(f"{version}\n" for version in versions), encoding="utf-8")


def _is_damaged(folder: Path) -> bool:
    """Tell whether a release is to be made again; one whose folder was deleted, as of one that failed, is not."""
    try:
        Release.load(folder)
    except ReleaseError:
        return True
    except FileNotFoundError:
        pass
    return False


def _check_link(models: Path, version: str) -> None:
    if (models / IN_SERVICE).exists() and not (models / IN_SERVICE).is_symlink():
        raise ReleaseError(
            f"expected {models / IN_SERVICE} to be a link to a version, found a copy of one, as tools make that follow "
            f"links; move it away, then put {version} into service"
        )


def move_into_service(models: Path, version: str) -> None:
    """Move the link, at once for every reader, and note so."""
    _check_link(models, version)
    link = models / f".{IN_SERVICE}-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(VERSIONS) / version)
    before = [(models / IN_SERVICE).resolve().name]
    try:
        _write(models / PUT_LAST, [*before, version])  # either may be in service where this process ends in between
        link.replace(models / IN_SERVICE)
    finally:
        link.unlink(missing_ok=True)  # where it did not take its place
    with contextlib.suppress(OSError):  # the version is in service
        _write(models / PUT_LAST, [version])
