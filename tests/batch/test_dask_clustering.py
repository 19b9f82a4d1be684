import os
import signal

import numpy as np
import pytest
from distributed import Client, LocalCluster

from hilander.batch import cluster, embed
from hilander.batch.dask_clustering import encode_on_workers
from hilander.batch.working_folder import read_embeddings, read_items
from hilander.data import DataError, read_dataset
from hilander.data.images import Images
from hilander.releases import release_in_service


@pytest.fixture(scope="module")
def scheduler():
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as workers:
        yield workers.scheduler_address


def test_workers_find_what_this_machine_finds(tmp_path, models, image_folder, scheduler):
    release = release_in_service(models)
    for folder, address in (("here", None), ("there", scheduler)):
        embed(image_folder, release, tmp_path / folder, batch_size=5, device="cpu", dask_scheduler=address)
        cluster(release, tmp_path / folder, device="cpu", dask_scheduler=address)
    here, there = tmp_path / "here", tmp_path / "there"
    np.testing.assert_allclose(read_embeddings(there), read_embeddings(here), atol=1e-6)
    np.testing.assert_array_equal(read_items(there, "clustered")["cluster"], read_items(here, "clustered")["cluster"])
    np.testing.assert_array_equal(read_items(there, "clustered")["id"], read_items(here, "clustered")["id"])


class DeadlyImages(Images):
    """Kills a worker when half of the images have been sent."""

    victim: int
    killed = False

    def read_bytes(self, i):
        if i == len(self) // 2:
            os.kill(self.victim, signal.SIGKILL)
            self.killed = True
        return super().read_bytes(i)


def test_a_worker_that_dies_costs_nothing_but_time(models, image_folder, scheduler):
    release, dataset = release_in_service(models), read_dataset(image_folder)
    images = DeadlyImages([image_folder / name for name in dataset.ids], dataset.ids)
    with Client(scheduler, set_as_default=False) as client:
        images.victim = next(iter(client.run(os.getpid).values()))
    embeddings = encode_on_workers(scheduler, images, dataset.ids, release, batch_size=3)
    assert images.killed
    np.testing.assert_allclose(embeddings, release.encoder("cpu").encode(dataset.images, 3), atol=1e-6)


def test_a_damaged_image_is_named(models, image_folder, scheduler):
    contents = [path.read_bytes() for path in sorted(image_folder.iterdir())]
    contents[7] = contents[7][:40]
    ids = np.array([f"photo {i}" for i in range(len(contents))])
    with pytest.raises(DataError, match="image photo 7 is damaged"):
        encode_on_workers(scheduler, Images(contents, ids), ids, release_in_service(models), batch_size=5)
    contents[31] = b""  # of another partition
    with pytest.raises(DataError, match=r"2 images cannot be read.*: photo 7, photo 31$"):
        encode_on_workers(scheduler, Images(contents, ids), ids, release_in_service(models), batch_size=5)


def test_no_scheduler_is_a_fault_that_can_pass(models, image_folder, monkeypatch):
    monkeypatch.setattr("hilander.distributed.connect._SECONDS_TO_CONNECT", 1)
    dataset = read_dataset(image_folder)
    with pytest.raises(OSError, match=r"127\.0\.0\.1:1"):
        encode_on_workers("tcp://127.0.0.1:1", dataset.images, dataset.ids, release_in_service(models))
