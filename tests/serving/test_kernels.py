"""Memory of a worker whose requests differ in size."""

import os
import subprocess
import sys

import pytest

MANY_SIZES = """
import sys
import numpy as np
from starlette.testclient import TestClient
from hilander.serving.app import make_app

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

rng = np.random.default_rng(0)
with TestClient(make_app(), headers={"Authorization": sys.argv[1]}) as client:
    for n in (*[200] * 5, *range(41, 121)):
        if n == 41:
            before = resident()
        answer = client.post("/cluster", json={"embeddings": rng.normal(size=(n, 12)).tolist()})
        assert answer.status_code == 200, answer.text
    print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
def test_requests_of_many_sizes_take_no_more_memory_than_of_few(folder, make):
    done = subprocess.run(
        [sys.executable, "-c", MANY_SIZES, f"Bearer {make.token}"],
        env={**os.environ, "HILANDER_SERVING_CONFIG": str(folder / "serving.yaml")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100 * 2**20
