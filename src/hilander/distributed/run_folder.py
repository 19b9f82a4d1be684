"""Where a run's parts lie: the folder that the caller names, or a temporary one."""

from __future__ import annotations

import fcntl
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from hilander.data.listing import names_url
from hilander.distributed.store import Store
from hilander.held_folder import held_folder

logger = logging.getLogger(__name__)

_BEING_WRITTEN = ".*-????????.npy"  # names of `hilander.atomic_write.atomic_file`
_TEMPORARY = "hilander-run-"


@contextmanager
def opened_run_folder(run_folder: str | Path | None) -> Iterator[Store]:
    """Yield the store in a run folder, which no second run works in meanwhile; of a URL the caller has to see to that.

    What a killed process has left half-written there is deleted.

    Parameters
    ----------
    run_folder : str or Path, optional
        Path or URL, which is kept; by default a temporary folder, which is not.

    Raises
    ------
    ValueError
        Another run holds it, it is no folder, it is a URL as a `Path`, which has lost a slash, or it begins with ``~``
        and there is no such home.
    OSError
        Nothing can be written there.
    """
    if run_folder is None:
        with _temporary_folder() as folder:
            yield Store(str(folder))
        return
    place = str(run_folder)
    if "://" not in place:
        if names_url(Path(place)):  # else a folder of that name would be made here, and workers would see none
            raise ValueError(f"a run folder at a URL must be given as a string with ://, got {place}")
        place = str(_expanded(Path(place)).absolute())  # workers start in folders of their own
    with ExitStack() as stack:
        if "://" not in place or place.startswith("file://"):
            stack.enter_context(_held(Path(place.removeprefix("file://"))))
        yield Store(place)


def _expanded(path: Path) -> Path:
    """``~`` as the caller's home, which a shell does not write out in ``--run-folder=~/work``."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home of {path.parts[0]}, which run_folder {path} begins with") from None


@contextmanager
def _held(root: Path) -> Iterator[None]:
    if root.exists() and not root.is_dir():
        raise ValueError(f"the run folder must be a folder, but {root} is a file; name another one")
    try:
        root.mkdir(parents=True, exist_ok=True)
        opened = (root / ".lock").open("w")
    except OSError as error:
        raise OSError(
            f"nothing can be written to the run folder {root} ({error.strerror}); name another one"
        ) from error
    with opened as lock:  # the system lets go of it when the process dies
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another run works in {root}; wait until it has ended, or name another one") from None
        except OSError as error:  # some shared file systems have no locks
            logger.warning("%s cannot be locked (%s): see to it that no second run works there", root, error)
        else:
            for half in root.rglob(_BEING_WRITTEN):  # by a process that was killed
                half.unlink(missing_ok=True)
        yield


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Yield a folder, which is deleted in the end though workers may still be at parts that nobody waits for any more.

    Under another name nothing is added to it: these parts fail, see `Store.write`. Folders of runs that were killed go
    with the next one.
    """
    with held_folder(tempfile.gettempdir(), _TEMPORARY) as folder:
        folder.chmod(0o700)  # others may look into the folder that it lies in
        try:
            yield folder
        finally:
            with suppress(FileNotFoundError):  # others tidy up temporary files too
                folder.replace(f"{folder}-ended")
                shutil.rmtree(f"{folder}-ended", ignore_errors=True)
