import os
import subprocess
import sys

import pytest


def spins(command, **environment):
    """What OpenMP's libraries say of their settings when a command loads them."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    run = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env={**inherited, "OMP_DISPLAY_ENV": "verbose", **environment},
        timeout=120,
    )
    return {line.strip() for line in run.stderr.splitlines() if "GOMP_SPINCOUNT" in line}


@pytest.mark.skipif(sys.platform != "linux", reason="GNU OpenMP comes with PyTorch for Linux")
def test_threads_of_stages_and_commands_wait_briefly_unless_told_otherwise(tmp_path):
    stage = ["-m", "hilander.stages.build_graph"]
    command = ["-c", "from hilander.cli import app; app(['cluster', 'nothing.npy'])"]
    for program in (stage, command):
        assert spins(program) == {"GOMP_SPINCOUNT = '10000'"}
    assert spins(stage, GOMP_SPINCOUNT="77") == {"GOMP_SPINCOUNT = '77'"}
    assert "GOMP_SPINCOUNT = '10000'" not in spins(stage, OMP_WAIT_POLICY="active")
