import os
import subprocess
import sys

import numpy as np
import pytest

CLUSTER_UNDER_A_LIMIT = """
import resource, sys
import numpy as np
from hilander import HiLander
from hilander.models.similarity import SimilarityModel

model = SimilarityModel() if sys.argv[3] == "similarity" else None
HiLander(model).fit(np.load(sys.argv[1], mmap_mode="r")[:500])  # loads and compiles what will be needed
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = used + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
clusterer = HiLander(model).fit(np.load(sys.argv[1], mmap_mode="r"))
print(len(clusterer.labels_))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the address space is limited and read as Linux does it")
@pytest.mark.parametrize("model", ["similarity", "learned"])
def test_clustering_stays_within_an_address_space_far_below_that_of_all_pairs(tmp_path, model):
    n, d = 30_000, 32
    rng = np.random.default_rng(0)
    classes = rng.normal(size=(1500, d))
    np.save(tmp_path / "embeddings.npy", (classes[rng.integers(1500, size=n)] + 0.2 * rng.normal(size=(n, d))))
    all_pairs = 4 * n * n  # 3.6 GB
    done = subprocess.run(
        [sys.executable, "-c", CLUSTER_UNDER_A_LIMIT, str(tmp_path / "embeddings.npy"), str(all_pairs // 8), model],
        capture_output=True,
        text=True,
        env=_one_thread(),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(n)]


def _one_thread():
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, "1")}
