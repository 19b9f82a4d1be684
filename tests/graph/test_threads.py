import time
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest

from hilander.graph.threads import Spares, by_threads


@pytest.fixture(params=[1, 3])
def n_threads(request):
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(request.param)
    yield request.param
    faiss.omp_set_num_threads(before)


@pytest.mark.parametrize("n_rows", [0, 1, 7, 8, 20])
def test_every_row_is_worked_on_once(n_threads, n_rows):
    seen = np.zeros(n_rows, int)

    def work(rows):
        assert rows.stop - rows.start <= 4
        seen[rows] += 1

    by_threads(work, n_rows, 4)
    assert (seen == 1).all()


def test_what_fails_in_a_thread_fails_here_and_ends_the_rest(n_threads):
    started = []

    def work(rows):
        started.append(rows)
        if rows.start == 0:
            raise ValueError("no row 0")
        time.sleep(0.001)

    with pytest.raises(ValueError, match="no row 0"):
        by_threads(work, 1000, 1)
    assert len(started) < 1000


def test_no_two_threads_have_one_array_and_free_ones_are_taken_again():
    made = []

    def make():
        made.append(np.zeros(1, np.int64))
        return made[-1]

    spares = Spares(make)

    def count(_):
        array = spares.take()
        before = array[0]
        array[0] = before + 1
        clean = array[0] == before + 1
        spares.give_back(array)
        return clean

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(count, range(2000)))
    assert len(made) <= 4
    assert sum(int(array[0]) for array in made) == 2000
