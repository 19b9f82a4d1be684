"""What the benchmarks measure by."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HELD = 400_000_000  # bytes
SCRIPT = f"""
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import numpy as np
from benchmarks.speed.measuring import peak_memory
np.ones({HELD} // 8)
with ProcessPoolExecutor(1, get_context("spawn")) as pool:
    print(peak_memory(), pool.submit(peak_memory).result())
"""


def test_the_peak_of_a_process_is_not_that_of_the_one_that_started_it():
    """On workers that one large process had started, all peaks were its own."""
    run = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    of_parent, of_child = map(float, run.stdout.split())
    assert of_parent > HELD
    assert of_child < HELD
