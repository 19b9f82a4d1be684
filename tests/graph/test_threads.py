import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

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


def blas_threads():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def by_two_threads(work):
    """With BLAS, whatever OMP_NUM_THREADS says: it holds in every thread of one's own."""
    faiss.omp_set_num_threads(2)
    by_threads(work, 2, 1, multiplies=True)


def test_blas_has_one_thread_meanwhile_also_where_another_thread_has_set_it_before():
    with threadpool_limits(2, user_api="blas"):  # threadpoolctl would let this thread alone set it from now on
        before, seen = blas_threads(), []

        def look(rows):
            seen.append(set(blas_threads().values()))

        for _ in range(2):
            caller = threading.Thread(target=by_two_threads, args=(look,))
            caller.start()
            caller.join()
            assert blas_threads() == before
        by_two_threads(look)
        assert blas_threads() == before
    assert seen == [{1}] * 6


def test_overlapping_calls_leave_blas_as_they_found_it():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first_is_in, first_may_go = threading.Event(), threading.Event()

        def enter_first(rows):
            first_is_in.set()
            assert first_may_go.wait(20)

        def leave_last(rows):
            first_may_go.set()
            first.result(20)
            assert set(blas_threads().values()) == {1}

        with ThreadPoolExecutor(1) as caller:
            first = caller.submit(by_two_threads, enter_first)
            assert first_is_in.wait(20)
            by_two_threads(leave_last)
        assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked on POSIX systems alone")
def test_a_forked_child_clusters_as_its_parent_has():
    script = """
import os, sys
import numpy as np
from hilander import HiLander
X = np.random.default_rng(0).normal(size=(300, 16))
parents = HiLander().fit_predict(X)
if (child := os.fork()) == 0:
    os._exit(int(not np.array_equal(HiLander().fit_predict(X), parents)))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    several = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    assert subprocess.run([sys.executable, "-c", script], env=os.environ | several, timeout=120).returncode == 0
