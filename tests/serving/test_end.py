"""What a worker does before it ends."""

import asyncio
import threading
import time

import pytest

from hilander.monitoring.capture import read_captures
from hilander.serving.configuration import load_configuration
from hilander.serving.refusals import Refusal
from hilander.serving.serving import Serving


def test_what_was_captured_is_written_before_calls_end_that_nobody_waits_for(tmp_path, make):
    make.release(tmp_path / "models")
    capture = {"url": str(tmp_path / "captured"), "max_seconds_per_part": 3600}
    serving = Serving(load_configuration(make.configuration(tmp_path, capture=capture)))
    serving.start()
    loaded, rows, long = serving.model.current(), make.blobs(7), threading.Event()
    with asyncio.Runner() as runner:
        with pytest.raises(Refusal, match="no answer within"):
            runner.run(serving.lane.run(long.wait, most_seconds=0.1))
        assignment = loaded.assign(rows)
        serving.keep(loaded, rows, assignment.labels, assignment.probabilities)
        closing = threading.Thread(target=serving.close)
        closing.start()
        try:
            deadline = time.monotonic() + 20
            while not len(read_captures(capture["url"])):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert closing.is_alive()  # the call goes on
        finally:
            long.set()
            closing.join()
    assert len(read_captures(capture["url"])) == 7
