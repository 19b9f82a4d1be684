"""The heavy steps on the workers of a Dask scheduler, with the results of this machine.

Everything travels over Dask's own connections: encoded images in partitions, the model's folder once to every worker.
So the workers need hilander installed in the same version, and no shared file system.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hilander.data.errors import DataError
from hilander.data.images import Images, check_readable
from hilander.distributed.connect import connected

if TYPE_CHECKING:
    from distributed import Client

    from hilander.batch.clustering import Clusters
    from hilander.encoder import Encoder
    from hilander.releases import Release

logger = logging.getLogger(__name__)

T = TypeVar("T")

_ATTEMPTS = 3
_PARTITIONS_PER_THREAD = 2  # one at work and one waiting, so that memory holds few of the images


class WorkersLostError(ConnectionError):
    """The workers that held the data are gone; a later attempt may find others."""


@dataclass(frozen=True)
class PackedFolder:
    """The files of a model folder, to be sent."""

    digest: str
    files: dict[str, bytes] = field(compare=False, repr=False)

    @classmethod
    def pack(cls, folder: Path) -> PackedFolder:
        """Read all files below `folder`."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        digest = hashlib.sha256()
        for name, content in files.items():
            digest.update(f"{name} {len(content)} ".encode() + content)
        return cls(digest.hexdigest(), files)

    def unpack(self, folder: Path) -> Path:
        """Write the files below `folder`."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder


def encode_on_workers(
    scheduler: str,
    images: Images,
    ids: NDArray[np.str_],
    release: Release,
    batch_size: int = 256,
    show_progress: bool = False,
) -> NDArray[np.float32]:
    """Encode images in partitions of one batch each; the same batches as `Encoder.encode` makes.

    A partition whose worker dies is given to another one. A damaged image ends the whole.

    Parameters
    ----------
    scheduler : str
        Address, such as ``tcp://10.0.0.5:8786``.
    images : Images
        Read on this machine and sent encoded, a few partitions ahead of the workers.
    ids : ndarray of shape (n,), str
        What an error calls them.
    release : Release
        Its encoder is sent to the workers.
    batch_size : int
        Images in a partition.
    show_progress : bool
        Draw a progress bar.

    Returns
    -------
    ndarray of shape (n, d), float32
        L2-normalised.

    Raises
    ------
    DataError
        Images are damaged; the message names all of them.
    OSError
        No connection to the scheduler, no worker within a minute, or all of them lost again and again.
    ImportError
        Dask is not installed.
    """
    if not len(images):
        raise ValueError("expected images to encode, got none")
    packed = PackedFolder.pack(release.folder / "encoder")
    partitions = [range(start, min(start + batch_size, len(images))) for start in range(0, len(images), batch_size)]

    def encode_all(client: Client) -> NDArray[np.float32]:
        from distributed import as_completed

        encoder = client.scatter(packed, broadcast=True)
        row_ranges = {}

        def submit(rows: range) -> Any:
            contents = [images.read_bytes(i) for i in rows]
            future = client.submit(_encode_partition, encoder, contents, ids[rows.start : rows.stop], pure=False)
            row_ranges[future.key] = rows
            return future

        waiting = iter(partitions)
        ahead = _PARTITIONS_PER_THREAD * max(1, sum(client.nthreads().values()))
        running = as_completed([submit(rows) for rows in islice(waiting, ahead)], loop=client.loop)
        encoded: dict[range, NDArray[np.float32]] = {}
        with tqdm(total=len(images), desc="encoding", unit="image", disable=not show_progress) as progress:
            for future in running:
                rows = row_ranges[future.key]
                encoded[rows] = future.result()
                progress.update(len(rows))
                for following in islice(waiting, 1):
                    running.add(submit(following))
        return np.concatenate([encoded[rows] for rows in partitions])

    try:
        return _on_workers(scheduler, encode_all)
    except DataError:  # of one partition; here, where all images are at hand, others may be damaged too
        check_readable(images, show_progress=show_progress)
        raise


def cluster_on_a_worker(
    scheduler: str, embeddings: NDArray[np.float32], release: Release, parameters: dict[str, Any]
) -> Clusters:
    """Cluster all embeddings on one worker.

    One worker, since parts on all of them (`hilander.distributed`) ask for a folder that they share. Give that worker
    the memory and the threads (``OMP_NUM_THREADS``) that the set asks for.

    Raises
    ------
    ValueError
        As `HiLander.fit` does.
    OSError
        No connection to the scheduler, no worker within a minute, or the worker lost again and again.
    ImportError
        Dask is not installed.
    """
    packed = PackedFolder.pack(release.folder / "lander")

    def cluster_all(client: Client) -> Clusters:
        sent = client.scatter(np.asarray(embeddings))
        return client.submit(_cluster, packed, sent, parameters, pure=False).result()

    return _on_workers(scheduler, cluster_all)


def _on_workers(scheduler: str, work: Callable[[Client], T]) -> T:
    """Do `work`, and do it again where what was sent to the workers was lost with them."""
    for attempt in range(1, _ATTEMPTS + 1):
        with connected(scheduler) as client:
            from distributed import KilledWorker

            try:
                return work(client)
            except KilledWorker as error:
                raise RuntimeError(
                    f"several workers of {scheduler} died at the same task, most likely of too little memory; give "
                    "them more, or choose a smaller batch_size"
                ) from error
            except CancelledError:
                logger.warning("workers of %s were lost with what they held (attempt %d)", scheduler, attempt)
    raise WorkersLostError(
        f"the workers of {scheduler} were lost {_ATTEMPTS} times with what they held; see their logs"
    )


def _encode_partition(packed: PackedFolder, contents: list[bytes], ids: NDArray[np.str_]) -> NDArray[np.float32]:
    return _load_encoder(packed).encode(Images(contents, ids), len(contents))


def _cluster(packed: PackedFolder, embeddings: NDArray[np.float32], parameters: dict[str, Any]) -> Clusters:
    from hilander.batch.clustering import fit_clusters

    with tempfile.TemporaryDirectory() as folder:
        return fit_clusters(packed.unpack(Path(folder)), embeddings, parameters, "auto")


@lru_cache(maxsize=1)
def _load_encoder(packed: PackedFolder) -> Encoder:
    from hilander.encoder import load_encoder

    with tempfile.TemporaryDirectory() as folder:
        return load_encoder(packed.unpack(Path(folder)))
