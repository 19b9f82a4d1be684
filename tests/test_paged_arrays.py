import mmap
import os
import resource
import sys
from pathlib import Path

import numpy as np
import pytest

from hilander import HiLander, paged_arrays
from hilander.paged_arrays import empty_array, let_go


@pytest.fixture
def everything_in_files(monkeypatch):
    monkeypatch.setattr(paged_arrays, "_LARGEST_IN_MEMORY", 0)


def test_what_was_written_is_still_there(everything_in_files):
    array = empty_array((3000, 5), np.int32)
    array[:] = np.arange(15_000).reshape(3000, 5)
    let_go(array[7:])
    np.testing.assert_array_equal(array, np.arange(15_000).reshape(3000, 5))
    array[-1] = -1
    let_go(array)
    assert (array[-1] == -1).all()


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read as Linux tells it")
def test_what_is_let_go_is_not_resident(everything_in_files):
    before = resident()
    array = empty_array((1 << 24,))  # 64 MB
    array[:] = 1
    assert resident() > before + (50 << 20)
    let_go(array.reshape(-1, 4)[10:])
    assert resident() < before + (14 << 20)


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read as Linux tells it")
@pytest.mark.parametrize(
    ("kept", "megabytes"),
    [(slice(1000, 3000), 31), (slice(0, 1000), 16), (slice(3000, 9999), 17), (slice(0, 4096), 64), (slice(7, 7), 0)],
)
def test_rows_that_are_to_stay_do(everything_in_files, kept, megabytes):
    array = empty_array((4096, 4096))  # 64 MB, rows of 16 KB
    array[:] = np.arange(4096)[:, None]
    full = resident()
    let_go(array, but=kept)
    assert full - resident() == pytest.approx((64 - megabytes) << 20, abs=6 << 20)
    assert (array[kept] == np.arange(4096)[kept][:, None]).all()
    assert (array == np.arange(4096)[:, None]).all()


def test_rows_to_keep_are_found_in_views_and_maps_of_others(everything_in_files, tmp_path):
    array = empty_array((5000, 3), np.int16)
    array[:] = np.arange(15_000).reshape(5000, 3)
    let_go(array[100:, 1:], but=slice(50, 60))
    let_go(array[::-1], but=slice(0, 9))
    np.testing.assert_array_equal(array, np.arange(15_000).reshape(5000, 3))
    np.save(tmp_path / "numbers.npy", np.arange(50_000))
    read = np.load(tmp_path / "numbers.npy", mmap_mode="r")
    let_go(read[5:], but=slice(1000, 2000))
    np.testing.assert_array_equal(read, np.arange(50_000))


def test_small_arrays_stay_in_memory():
    array = empty_array((4, 3))
    array[:] = 2
    let_go(array)
    assert array.base is None
    assert array.sum() == 24


def test_maps_of_others_lose_nothing(tmp_path):
    np.save(tmp_path / "numbers.npy", np.arange(5000))
    changed = np.load(tmp_path / "numbers.npy", mmap_mode="c")
    changed[:] = 7
    let_go(changed[3:])
    assert (changed == 7).all()
    with (tmp_path / "numbers.npy").open("rb") as file:
        private = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), np.uint8)
    private[:] = 9
    let_go(private)
    assert (private == 9).all()
    read = np.load(tmp_path / "numbers.npy", mmap_mode="r")
    let_go(read)
    np.testing.assert_array_equal(read, np.arange(5000))


def test_clusters_are_the_same_from_files(everything_in_files, monkeypatch):
    rng = np.random.default_rng(0)
    embeddings = np.repeat(rng.normal(size=(40, 16)), 20, axis=0) + 0.4 * rng.normal(size=(800, 16))
    found = HiLander().fit(embeddings)
    monkeypatch.undo()
    expected = HiLander().fit(embeddings)
    np.testing.assert_array_equal(found.labels_, expected.labels_)
    np.testing.assert_array_equal(found.probabilities_, expected.probabilities_)


def test_too_little_room_for_a_file_is_an_error_and_no_death(monkeypatch):
    monkeypatch.setattr(paged_arrays, "_LARGEST_IN_MEMORY", 0)
    with pytest.raises(OSError, match=r"temporary files in .* need room for 40,000,000,000,000,000 bytes"):
        paged_arrays.empty_array((10**8, 10**8))


def test_room_that_one_array_was_given_is_not_given_to_the_next(everything_in_files, monkeypatch):
    """Or both were written to, and running out of it ended the process."""
    files = []

    def kept_in_sight(file, *arguments):
        files.append(os.dup(file))
        return mmap.mmap(file, *arguments)

    monkeypatch.setattr(paged_arrays, "_Pages", kept_in_sight)
    array = empty_array((1 << 20,))
    assert os.fstat(files[0]).st_blocks * 512 >= array.nbytes
    os.close(files[0])


def test_a_limit_of_files_is_an_error_and_no_death(everything_in_files):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(OSError, match=r"need room for 4,194,304 bytes, but got none \(File too large\)"):
            empty_array((1 << 20,))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
