import os
import subprocess
import sys

import pytest

STAGE = "import hilander.stages"
COMMAND = "from hilander.cli import app; app(['report', 'nothing', '-o', 'nothing.html'], standalone_mode=False)"


def turns(code, **environment):
    """How long threads are to wait, once a stage or command has begun, and whether PyTorch was there before."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    asking = (
        "import atexit, os, sys\n"
        "atexit.register(lambda: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", asking + code],
        capture_output=True,
        text=True,
        env={**inherited, **environment},
        timeout=120,
        check=False,
    )
    return run.stdout.split()[-2:]


@pytest.mark.parametrize("program", [STAGE, COMMAND])
def test_threads_of_stages_and_commands_wait_briefly_unless_told_otherwise(program):
    assert turns(program) == ["10000", "False"]
    assert turns(program, GOMP_SPINCOUNT="77") == ["77", "False"]
    assert turns(program, OMP_WAIT_POLICY="active") == ["None", "False"]
