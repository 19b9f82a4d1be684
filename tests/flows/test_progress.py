"""The progress of a stage, which the server shows, and which no stage hangs on."""

import os
import socket
import subprocess
import sys
from pathlib import Path

FLOWS = Path(__file__).parents[2] / "flows"
SHOW = """
import runpy, sys
Progress = runpy.run_path(sys.argv[1])["_Progress"]
Progress.__call__.__globals__["PROGRESS_EVERY"] = 0.0
progress = Progress("train_lander", print)
for percent in (1.0, 50.0, 100.0):
    progress(percent)
print("the stage goes on")
"""


def test_a_server_that_does_not_answer_stops_no_stage_and_is_told_of_once(tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/api"
        told = subprocess.run(
            [sys.executable, "-c", SHOW, str(FLOWS / "train.py")],
            cwd=tmp_path, env=os.environ | {"PREFECT_API_URL": url, "PREFECT_HOME": str(tmp_path)},
            capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
    assert len(told) == 2
    assert told[0].startswith("the progress of stage 'train_lander' cannot be shown for now: ")
    assert told[1] == "the stage goes on"
